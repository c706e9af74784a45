// What programs share that kill a server amid the requests of its clients.
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import type { ServeProcess } from '../e2e/run-cli.ts'

/** A kill comes after so many answers of its round, and a moment: however slow the machine. */
export interface KillMoment {
  readonly fromAnswers: number
  readonly untilAnswers: number
  readonly withinMs: number
}

/** Kills a server (SIGKILL) at such a moment of the answers that `ask` sees. */
export async function askUntilKilled(
  { child }: ServeProcess,
  { fromAnswers, untilAnswers, withinMs }: KillMoment,
  ask: (saw: () => void) => Promise<void>,
): Promise<void> {
  const closed = once(child, 'close')
  let left = randomInt(fromAnswers, untilAnswers)
  let kill: NodeJS.Timeout | undefined
  await ask(() => {
    left -= 1
    if (left === 0) kill = setTimeout(() => child.kill('SIGKILL'), randomInt(withinMs))
  })
  clearTimeout(kill)
  await closed
}

/** Has so many clients ask, each until its server is gone. Only that may have ended them. */
export async function askAtOnce(clients: number, ask: (client: number) => Promise<void>): Promise<void> {
  const ends = await Promise.allSettled(Array.from({ length: clients }, (_, client) => ask(client)))
  for (const end of ends)
    if (end.status === 'rejected' && end.reason instanceof UnexpectedAnswer) throw end.reason
}

export class UnexpectedAnswer extends Error {
  constructor(answer: string | number) {
    super(`an answer was not expected: ${answer}`)
  }
}
