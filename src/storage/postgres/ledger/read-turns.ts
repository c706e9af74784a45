import { Fault } from '../../../core/fault.ts'

/** More that wait are refused: each holds its query, and would come too late. */
const waitingMax = 1_024

/** Runs at most so many works at once, the others in the order of the calls. */
export function createReadTurns(max: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let running = 0
  const waiting: (() => void)[] = []
  return async (work) => {
    if (running >= max) {
      if (waiting.length >= waitingMax)
        throw new Fault('ledger_unavailable', `ledger: ${waitingMax} queries are waiting`)
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else running += 1
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running -= 1
      else next()
    }
  }
}
