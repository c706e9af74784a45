import type { Scheduler } from '../core/scheduler.ts'

/** Characters that are written in one turn of the event loop: some tenths of a millisecond's. */
const turnCharacters = 131_072

/**
 * Writes inputs as the JSON of their list. Of 8 MiB, everything else in this process has its turn
 * meanwhile.
 */
export async function writeInputs(
  inputs: readonly unknown[],
  { yieldTurn }: Pick<Scheduler, 'yieldTurn'>,
): Promise<string> {
  const texts: string[] = []
  let characters = 0
  let isLong = false
  for (const [index, input] of inputs.entries()) {
    const text = JSON.stringify(input) ?? 'null'
    texts.push(index === 0 ? `[${text}` : text)
    characters += text.length
    if (characters < turnCharacters) continue
    characters = 0
    isLong = true
    await yieldTurn()
  }
  // The brackets belong to the first and the last: put around them, they would cost a copy.
  texts.push(`${texts.pop() ?? '['}]`)
  const written = texts.join(',')
  if (isLong) await yieldTurn()
  return written
}
