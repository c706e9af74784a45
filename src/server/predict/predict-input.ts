import { type InputError, Refusal } from '../../core/refusal.ts'
import { isJsonValue } from '../../models/json-value.ts'
import type { ServedModel } from '../../models/model.ts'

/** What is read of an input. */
export interface InputRules {
  /** What the model takes. */
  readonly kind: ServedModel['input']
  /** Most characters of a text. */
  readonly textMax: number
}

/** Most inputs of a batch. */
export const batchMax = 10_000

/** Most faults that are reported of one batch. */
const toldMax = 20

/**
 * The input that a request wants predicted. A text is the body's where there is a body, the query's
 * otherwise; one in both is refused, because whoever reads the log of a proxy must not see another
 * text than the one that was answered. Any other input is the body's `input`. Other fields of the
 * body are ignored, as FastAPI does.
 *
 * @throws Refusal `input_invalid`, with FastAPI's `loc`
 */
export function readPredictInput(body: unknown, query: unknown, rules: InputRules): unknown {
  const { kind, textMax } = rules
  if (kind === 'json') return checkJson(fieldOf(body, 'input'), ['body', 'input'])
  const asked = isRecord(query) ? query.text : undefined
  if (body === undefined) return checkText(asked, ['query', 'text'], textMax)
  if (asked !== undefined)
    throw invalid(['query', 'text'], 'Send the text in the body or in the query, not in both', 'ambiguous')
  return checkText(fieldOf(body, 'text'), ['body', 'text'], textMax)
}

/**
 * The inputs of a batch: `texts`, or `inputs` of a model that takes other things.
 *
 * @throws Refusal `input_invalid`, with the first faults of all
 */
export function readBatchInputs(body: unknown, { kind, textMax }: InputRules): readonly unknown[] {
  const name = kind === 'text' ? 'texts' : 'inputs'
  const loc = ['body', name]
  const inputs = fieldOf(body, name)
  if (inputs === undefined) throw invalid(loc, 'Field required', 'missing')
  if (!Array.isArray(inputs)) throw invalid(loc, 'Input should be a valid list', 'list_type')
  if (inputs.length === 0) throw invalid(loc, 'List should have at least 1 item', 'too_short')
  if (inputs.length > batchMax) throw invalid(loc, `List should have at most ${batchMax} items`, 'too_long')
  const errors: InputError[] = []
  for (const [index, input] of inputs.entries()) {
    const at = [...loc, index]
    const fault = kind === 'text' ? textFault(input, at, textMax) : jsonFault(input, at)
    if (fault !== undefined && errors.push(fault) === toldMax) break
  }
  if (errors.length > 0) throw new Refusal('input_invalid', undefined, { errors })
  return inputs
}

/** The body's `webhook`, where there is one. @throws Refusal `input_invalid` */
export function readWebhook(body: unknown): string | undefined {
  const webhook = isRecord(body) && Object.hasOwn(body, 'webhook') ? body.webhook : undefined
  if (webhook === undefined || typeof webhook === 'string') return webhook
  throw invalid(['body', 'webhook'], 'Input should be a valid string', 'string_type')
}

/**
 * What an input counts of the measure `characters`: those of the text, or of the JSON that it is.
 */
export function countInput(input: unknown): number {
  return countCharacters(typeof input === 'string' ? input : JSON.stringify(input))
}

/** How many characters a text has: Unicode code points. */
function countCharacters(text: string): number {
  let length = 0
  for (const _character of text) length += 1
  return length
}

/** A field of the body. @throws Refusal `input_invalid` for a body that is no object */
function fieldOf(body: unknown, name: string): unknown {
  if (body === undefined) return undefined
  if (!isRecord(body)) throw invalid(['body'], 'Input should be an object', 'object_type')
  return Object.hasOwn(body, name) ? body[name] : undefined
}

function checkText(text: unknown, loc: InputError['loc'], lengthMax: number): string {
  const fault = textFault(text, loc, lengthMax)
  if (fault === undefined) return text as string
  throw new Refusal('input_invalid', undefined, { errors: [fault] })
}

function textFault(text: unknown, loc: InputError['loc'], lengthMax: number): InputError | undefined {
  if (text === undefined) return { loc, msg: 'Field required', type: 'missing' }
  if (typeof text !== 'string') return { loc, msg: 'Input should be a valid string', type: 'string_type' }
  if (text === '') return { loc, msg: 'String should have at least 1 character', type: 'string_too_short' }
  if (isLonger(text, lengthMax))
    return { loc, msg: `String should have at most ${lengthMax} characters`, type: 'string_too_long' }
  return undefined
}

function checkJson(input: unknown, loc: InputError['loc']): unknown {
  const fault = input === undefined ? { loc, msg: 'Field required', type: 'missing' } : jsonFault(input, loc)
  if (fault === undefined) return input
  throw new Refusal('input_invalid', undefined, { errors: [fault] })
}

/** JSON it is; too deep for whatever walks through it is all that it may be. */
function jsonFault(input: unknown, loc: InputError['loc']): InputError | undefined {
  return isJsonValue(input) ? undefined : { loc, msg: 'Input is nested too deeply', type: 'recursion' }
}

/** Whether the text has more code points than that; its UTF-16 units are never fewer. */
function isLonger(text: string, lengthMax: number): boolean {
  if (text.length <= lengthMax) return false
  return text.length > 2 * lengthMax || countCharacters(text) > lengthMax
}

function isRecord(
  value: unknown,
): value is { readonly [name: string]: unknown; readonly text?: unknown; readonly webhook?: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(loc: InputError['loc'], msg: string, type: string): Refusal {
  return new Refusal('input_invalid', undefined, { errors: [{ loc, msg, type }] })
}
