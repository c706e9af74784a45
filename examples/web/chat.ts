import { setTimeout } from 'node:timers/promises'
import type { UsageReservation } from 'modelward'

/** A piece of an answer, and how many tokens it adds to what the call has used. */
interface Piece {
  readonly text: string
  readonly tokens: number
}

/** Most words of an answer. */
const answerMax = 40

/** The most tokens that an answer to this text may use: none is shorter than a character. */
export function mostTokens(text: string): number {
  return text.length + answerMax
}

/** Stands in for your model: says the text again, a token a word, and stops when it is told to. */
export async function* generate(text: string, signal: AbortSignal): AsyncGenerator<Piece> {
  const words = text.split(' ')
  yield { text: '', tokens: words.length }
  for (const [nth, word] of words.slice(0, answerMax).entries()) {
    await setTimeout(10)
    if (signal.aborted) return
    yield { text: nth === 0 ? word : ` ${word}`, tokens: 1 }
  }
}

/** Passes an answer on, and settles what it used when it ends, fails, or its client leaves. */
export async function* settling(
  pieces: AsyncIterable<Piece>,
  reservation: UsageReservation<'tokens'>,
): AsyncGenerator<string> {
  let tokens = 0
  try {
    for await (const piece of pieces) {
      tokens += piece.tokens
      yield piece.text
    }
  } finally {
    await reservation.settle({ tokens })
  }
}
