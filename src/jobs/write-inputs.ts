import type { Scheduler } from '../core/scheduler.ts'
import { createTurnCounter } from '../core/slices.ts'

/**
 * Writes inputs as the JSON of their list. Of 8 MiB, everything else in this process has its turn
 * meanwhile.
 */
export async function writeInputs(
  inputs: readonly unknown[],
  { yieldTurn }: Pick<Scheduler, 'yieldTurn'>,
): Promise<string> {
  const texts: string[] = []
  const isTurnOver = createTurnCounter()
  let isLong = false
  for (const [index, input] of inputs.entries()) {
    const text = JSON.stringify(input) ?? 'null'
    texts.push(index === 0 ? `[${text}` : text)
    if (!isTurnOver(text.length)) continue
    isLong = true
    await yieldTurn()
  }
  // The brackets belong to the first and the last: put around them, they would cost a copy.
  texts.push(`${texts.pop() ?? '['}]`)
  const written = texts.join(',')
  if (isLong) await yieldTurn()
  return written
}
