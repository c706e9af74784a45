import type { TokenEstimates } from '../gateway-settings.ts'
import type { CallBody } from './call-body.ts'

/** The most tokens that a call may use. */
export interface CallBound {
  readonly prompt: number
  readonly completion: number
  /** Both together. */
  readonly tokens: number
}

/**
 * The bound of a call. A token of a byte-level vocabulary is at least one byte, and JSON is never
 * shorter than its text, so that with one token a byte it holds for every text.
 *
 * Whole numbers, and never more than `Number.MAX_SAFE_INTEGER`: what is larger fits no limit.
 *
 * @param sentBytes bytes of the body as it is sent, with what was spliced in
 * @param output most tokens of an answer whose client has set no bound; 0 where answers have none
 */
export function boundOf(
  { images, output: asked, answers }: CallBody,
  sentBytes: number,
  tokens: TokenEstimates,
  output: number,
): CallBound {
  const text = Math.ceil((sentBytes - images.bytes) * tokens.perByte)
  const prompt = safe(text + tokens.template + tokens.image * images.count)
  const completion = safe((asked ?? output) * answers)
  return { prompt, completion, tokens: safe(prompt + completion) }
}

/** The bound of a call whose prompt is known: never more than before. */
export function withPrompt(bound: CallBound, tokens: number): CallBound {
  const prompt = Math.min(bound.prompt, tokens)
  return { ...bound, prompt, tokens: safe(prompt + bound.completion) }
}

/** The bound of a call that may come to any of several upstreams. */
export function largestOf(bounds: readonly CallBound[]): CallBound {
  const prompt = Math.max(...bounds.map((bound) => bound.prompt))
  const completion = Math.max(...bounds.map((bound) => bound.completion))
  return { prompt, completion, tokens: safe(prompt + completion) }
}

function safe(count: number): number {
  return Math.min(count, Number.MAX_SAFE_INTEGER)
}
