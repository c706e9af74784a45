import type { Scheduler } from '../../../core/scheduler.ts'
import { createTurnCounter } from '../../../core/slices.ts'

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c]
const [open, close, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d]

/** Characters that are read before other work has its turn. */
const sliceCharacters = 65_536

/**
 * How many JSON values a text of them has, with commas between: what a list of them would have. 0
 * where brackets or quotes are left open. Takes turns with other work.
 */
export async function countValues(
  text: string,
  { yieldTurn }: Pick<Scheduler, 'yieldTurn'>,
): Promise<number> {
  if (text.trim() === '') return 0
  const isTurnOver = createTurnCounter()
  let state: Reading = { depth: 0, commas: 0, isInText: false, isEscaped: false }
  for (let from = 0; from < text.length; from += sliceCharacters) {
    const to = Math.min(from + sliceCharacters, text.length)
    state = read(state, text, from, to)
    if (to < text.length && isTurnOver(sliceCharacters)) await yieldTurn()
  }
  return state.depth === 0 && !state.isInText ? state.commas + 1 : 0
}

interface Reading {
  readonly depth: number
  /** Between the values. */
  readonly commas: number
  readonly isInText: boolean
  readonly isEscaped: boolean
}

function read(
  { depth, commas, isInText, isEscaped }: Reading,
  text: string,
  from: number,
  to: number,
): Reading {
  for (let at = from; at < to; at += 1) {
    const code = text.charCodeAt(at)
    if (isEscaped) isEscaped = false
    else if (isInText) {
      if (code === backslash) isEscaped = true
      else if (code === quote) isInText = false
    } else if (code === quote) isInText = true
    else if (code === open || code === openObject) depth += 1
    else if (code === close || code === closeObject) depth -= 1
    else if (code === comma && depth === 0) commas += 1
  }
  return { depth, commas, isInText, isEscaped }
}
