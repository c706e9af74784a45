import { type InputError, Refusal } from '../../core/refusal.ts'
import { processScheduler } from '../../core/scheduler.ts'
import { createTurnCounter } from '../../core/slices.ts'
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
const reportedMax = 20

/** The query of `/predict`, which may hold the text in place of a body. */
export interface PredictQuery {
  readonly text?: unknown
}

/**
 * Reads the input of one prediction. A text is the body's where there is a body, the query's
 * otherwise; a text in both is refused, because a reader of a proxy's log would see another text
 * than the one that was answered. Any other input is the body's `input`. Other fields of the body
 * are ignored, as FastAPI does.
 *
 * @throws Refusal `input_invalid`, with FastAPI's `loc`
 */
export function readPredictInput(body: unknown, query: PredictQuery, rules: InputRules): unknown {
  const { kind, textMax } = rules
  const place = kind === 'text' && body === undefined ? 'query' : 'body'
  const name = kind === 'text' ? 'text' : 'input'
  const loc = [place, name]
  if (kind === 'text' && place === 'body' && query.text !== undefined)
    throw invalid(['query', 'text'], 'Send the text in the body or in the query, not in both', 'ambiguous')
  const input = place === 'query' ? query.text : fieldOf(body, name)
  const fault = kind === 'text' ? textFault(input, loc, textMax) : jsonFault(input, loc)
  if (fault !== undefined) throw new Refusal('input_invalid', undefined, { errors: [fault] })
  return input
}

/**
 * The inputs of a batch: `texts`, or `inputs` of a model that takes other things. Of megabytes,
 * other requests have their turn meanwhile.
 *
 * @throws Refusal `input_invalid`, with the first faults of all, by rejecting
 */
export async function readBatchInputs(
  body: unknown,
  { kind, textMax }: InputRules,
): Promise<readonly unknown[]> {
  const name = kind === 'text' ? 'texts' : 'inputs'
  const loc = ['body', name]
  const inputs = fieldOf(body, name)
  if (inputs === undefined) throw invalid(loc, 'Field required', 'missing')
  if (!Array.isArray(inputs)) throw invalid(loc, 'Input should be a valid list', 'list_type')
  if (inputs.length === 0) throw invalid(loc, 'List should have at least 1 item', 'too_short')
  if (inputs.length > batchMax) throw invalid(loc, `List should have at most ${batchMax} items`, 'too_long')
  const errors: InputError[] = []
  const isTurnOver = createTurnCounter()
  for (const [index, input] of inputs.entries()) {
    const at = [...loc, index]
    const fault = kind === 'text' ? textFault(input, at, textMax) : jsonFault(input, at)
    if (fault !== undefined && errors.push(fault) === reportedMax) break
    if (isTurnOver(typeof input === 'string' ? input.length : 1)) await processScheduler.yieldTurn()
  }
  if (errors.length > 0) throw new Refusal('input_invalid', undefined, { errors })
  return inputs
}

/** The `webhook` of a body whose input has been read. @throws Refusal `input_invalid` */
export function readWebhook(body: unknown): string | undefined {
  const webhook = fieldOf(body, 'webhook')
  if (webhook === undefined || typeof webhook === 'string') return webhook
  throw invalid(['body', 'webhook'], 'Input should be a valid string', 'string_type')
}

/** Refuses a webhook beside an input that is answered at once: no job will end. */
export function webhookWithoutJob(): Refusal {
  const msg = 'A webhook reports the end of a job: send `Prefer: respond-async` too'
  return invalid(['body', 'webhook'], msg, 'webhook_without_job')
}

/**
 * What an input counts of the measure `characters`: those of the text, or of the JSON that it is.
 */
export function countInput(input: unknown): number {
  return countCharacters(typeof input === 'string' ? input : JSON.stringify(input))
}

/** How many characters a text has: Unicode code points. */
function countCharacters(text: string): number {
  // Most have none, which takes no time where the text has one byte a character.
  if (!surrogatePair.test(text)) return text.length
  let length = 0
  for (const _character of text) length += 1
  return length
}

const surrogatePair = /[\ud800-\udbff][\udc00-\udfff]/

/** A field of the body. @throws Refusal `input_invalid` for a body that is no object */
function fieldOf(body: unknown, name: string): unknown {
  if (body === undefined) return undefined
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw invalid(['body'], 'Input should be an object', 'object_type')
  return Object.hasOwn(body, name) ? (body as Readonly<Record<string, unknown>>)[name] : undefined
}

function textFault(text: unknown, loc: InputError['loc'], lengthMax: number): InputError | undefined {
  if (text === undefined) return { loc, msg: 'Field required', type: 'missing' }
  if (typeof text !== 'string') return { loc, msg: 'Input should be a valid string', type: 'string_type' }
  if (text === '') return { loc, msg: 'String should have at least 1 character', type: 'string_too_short' }
  if (text.length > lengthMax && isLonger(text, lengthMax))
    return { loc, msg: `String should have at most ${lengthMax} characters`, type: 'string_too_long' }
  return undefined
}

/** A body is JSON already; it may only be nested too deeply for what walks through it. */
function jsonFault(input: unknown, loc: InputError['loc']): InputError | undefined {
  if (input === undefined) return { loc, msg: 'Field required', type: 'missing' }
  return isJsonValue(input) ? undefined : { loc, msg: 'Input is nested too deeply', type: 'recursion' }
}

/** Whether a text of more UTF-16 units than `lengthMax` has more code points, too. */
function isLonger(text: string, lengthMax: number): boolean {
  return text.length > 2 * lengthMax || countCharacters(text) > lengthMax
}

function invalid(loc: InputError['loc'], msg: string, type: string): Refusal {
  return new Refusal('input_invalid', undefined, { errors: [{ loc, msg, type }] })
}
