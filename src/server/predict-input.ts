import { type InputError, Refusal } from '../core/refusal.ts'

/**
 * The text that a request wants predicted: the body's where there is a body, the query's otherwise. A text in both is refused,
 * because whoever reads the log of a proxy must not see another text than the one that was answered. Other fields of the
 * body are ignored, as FastAPI does.
 *
 * @throws Refusal `input_invalid`, with FastAPI's `loc`
 */
export function readPredictInput(body: unknown, query: unknown, textLengthMax: number): string {
  const asked = isRecord(query) ? query.text : undefined
  if (body === undefined) return checkText(asked, ['query', 'text'], textLengthMax)
  if (asked !== undefined)
    throw invalid(['query', 'text'], 'Send the text in the body or in the query, not in both', 'ambiguous')
  if (!isRecord(body)) throw invalid(['body'], 'Input should be an object', 'object_type')
  return checkText(Object.hasOwn(body, 'text') ? body.text : undefined, ['body', 'text'], textLengthMax)
}

function checkText(text: unknown, loc: InputError['loc'], lengthMax: number): string {
  if (text === undefined) throw invalid(loc, 'Field required', 'missing')
  if (typeof text !== 'string') throw invalid(loc, 'Input should be a valid string', 'string_type')
  if (text === '') throw invalid(loc, 'String should have at least 1 character', 'string_too_short')
  if (isLonger(text, lengthMax))
    throw invalid(loc, `String should have at most ${lengthMax} characters`, 'string_too_long')
  return text
}

/** Whether the text has more code points than that; its UTF-16 units are never fewer. */
function isLonger(text: string, lengthMax: number): boolean {
  if (text.length <= lengthMax) return false
  return text.length > 2 * lengthMax || countCharacters(text) > lengthMax
}

/** How many characters a text has: Unicode code points. */
export function countCharacters(text: string): number {
  let length = 0
  for (const _character of text) length += 1
  return length
}

function isRecord(value: unknown): value is { readonly text?: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(loc: InputError['loc'], msg: string, type: string): Refusal {
  return new Refusal('input_invalid', undefined, { errors: [{ loc, msg, type }] })
}
