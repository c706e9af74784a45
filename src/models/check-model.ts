import { describeValue, isFunction, isOneOf, type OptionRule } from '../core/check-options.ts'
import { isShortName } from '../core/scope.ts'
import { SetupError } from '../core/setup-error.ts'
import { suggest } from '../core/suggest.ts'
import { defaultBatchMax, type Model, type ModelDeclaration } from './model.ts'

const rules: Readonly<Record<string, OptionRule>> = {
  name: {
    expected: 'a name of 1 to 56 of `a-z 0-9 . _ : -`, starting with a letter or digit',
    accepts: isModelName,
    isRequired: true,
  },
  version: {
    expected: 'a version of 1 to 100 visible ASCII characters, such as "my-model-1"',
    accepts: (value) => typeof value === 'string' && /^[\x21-\x7e]{1,100}$/.test(value),
    isRequired: true,
  },
  runs: {
    expected: '"inline", "threaded" or "process"',
    accepts: isOneOf('inline', 'threaded', 'process'),
    isRequired: true,
  },
  predict: { expected: 'a function', accepts: isFunction, isRequired: true },
  input: { expected: '"text" or "json"', accepts: isOneOf('text', 'json') },
  batchMax: wholeNumber(1, 10_000),
  batchDelayMs: wholeNumber(0, 10_000),
  deadlineMs: wholeNumber(1, 3_600_000),
  threads: wholeNumber(1, 64),
  warmUp: { expected: 'a function', accepts: isFunction },
  close: { expected: 'a function', accepts: isFunction },
}

/**
 * Checks what claims to be a model, all of it at once. A property that no model has is refused only
 * where it looks like a typing error: an instance of a user's class may have others.
 *
 * @param where what the message starts with: the file it came from
 * @throws SetupError `model_unreadable`, with what was expected and what came
 */
export function checkModel(value: unknown, where: string): Model<never> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SetupError('model_unreadable', `${where}: expected a model, got ${describeValue(value)}`)
  const properties = value as Readonly<Record<string, unknown>>
  const faults = [
    ...Object.keys(properties).flatMap(describeTypo),
    ...Object.entries(rules).flatMap(([name, rule]) => describeFault(name, properties[name], rule)),
  ]
  if (faults.length > 0) throw new SetupError('model_unreadable', `${where}: ${faults.join('; ')}`)
  return value as Model<never>
}

/** Whether the text may be a model's name: one segment of a path, and `predict:NAME` is a scope. */
function isModelName(name: unknown): boolean {
  return typeof name === 'string' && /^[a-z0-9][^/]*$/.test(name) && isShortName(`predict:${name}`)
}

/** What a checked model says of itself. */
export function declarationOf(model: Model<never>): ModelDeclaration {
  const { name, version, runs, input = 'text', batchMax = defaultBatchMax, batchDelayMs = 0 } = model
  const { deadlineMs, threads } = model
  return { name, version, runs, input, batchMax, batchDelayMs, deadlineMs, threads }
}

function describeTypo(name: string): readonly string[] {
  if (Object.hasOwn(rules, name)) return []
  const meant = suggest(name, Object.keys(rules))
  return meant === undefined ? [] : [`\`${name}\`: there is no such property; did you mean \`${meant}\`?`]
}

function describeFault(name: string, value: unknown, rule: OptionRule): readonly string[] {
  if (value === undefined ? rule.isRequired !== true : rule.accepts(value)) return []
  return [`\`${name}\`: expected ${rule.expected}, got ${describeValue(value)}`]
}

function wholeNumber(least: number, most: number): OptionRule {
  return {
    expected: `a whole number from ${least.toLocaleString('en')} to ${most.toLocaleString('en')}`,
    accepts: (value) => Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most,
  }
}
