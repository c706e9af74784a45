import { suggest } from './suggest.ts'

/** What one option may be. */
export interface OptionRule {
  /** What is expected, as a message says it: `a folder's path`. */
  readonly expected: string
  readonly accepts: (value: unknown) => boolean
  /** Whether the option is required; `undefined` counts as absent. @default false */
  readonly isRequired?: boolean
  /** Whether a wrong value must not be repeated in the message. @default false */
  readonly isSecret?: boolean
}

/** Longest text that a message repeats. */
const shownLengthMax = 40

/**
 * Checks options of a caller, all at once; corrects nothing.
 *
 * @param where start of the message: the function that the options were passed to
 * @throws TypeError that names each unknown, missing or wrong option, what was expected, and the
 *   value
 */
export function checkOptions(
  where: string,
  options: unknown,
  rules: Readonly<Record<string, OptionRule>>,
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new TypeError(`${where}: expected an object of options, got ${describeValue(options)}`)
  const values = options as Readonly<Record<string, unknown>>
  const unknown = Object.keys(values).filter((name) => !Object.hasOwn(rules, name))
  const faults = [
    ...unknown.map((name) => describeUnknown(name, Object.keys(rules))),
    ...Object.entries(rules).flatMap(([name, rule]) => describeFault(name, values[name], rule)),
  ]
  if (faults.length > 0) throw new TypeError(`${where}: ${faults.join('; ')}`)
}

function describeUnknown(name: string, known: readonly string[]): string {
  const meant = suggest(name, known)
  const hint = meant === undefined ? `there are ${known.join(', ')}` : `did you mean \`${meant}\`?`
  return `\`${shorten(name)}\`: there is no such option; ${hint}`
}

function describeFault(name: string, value: unknown, rule: OptionRule): readonly string[] {
  if (value === undefined ? rule.isRequired !== true : rule.accepts(value)) return []
  const got = rule.isSecret === true && value !== undefined ? `another ${typeof value}` : describeValue(value)
  return [`\`${name}\`: expected ${rule.expected}, got ${got}`]
}

/** A value as a message shows it: short, and never a whole object. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(shorten(value))
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}

function shorten(text: string): string {
  return text.length <= shownLengthMax ? text : `${text.slice(0, shownLengthMax)}…`
}

export function isFunction(value: unknown): boolean {
  return typeof value === 'function'
}

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

export function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean'
}

/** Accepts whole numbers from `least` on, up to `most`. */
export function isWholeFrom(
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): (value: unknown) => boolean {
  return (value) => Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most
}

/** Accepts one of these. */
export function isOneOf(...values: readonly unknown[]): (value: unknown) => boolean {
  return (value) => values.includes(value)
}
