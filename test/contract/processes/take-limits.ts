import { processScheduler } from '../../../src/core/scheduler.ts'
import { createInProcessLimiter } from '../../../src/limits/in-process/in-process-limiter.ts'
import { openSqliteUsageStore } from '../../../src/storage/sqlite/limits/usage-store.ts'
import { useOf } from '../limiter.contract.ts'
import { sayLine } from './say-line.ts'

// Takes from limits in turn, as fast as it can. Prints the name of each admitted take; `full` after
// the last.
const [, , file = '', ...texts] = process.argv
// One day for all runs: the wall clock begins anew each time, which must count as set back.
const clock = (): number => Date.UTC(2026, 0, 15, 12)
const limiter = createInProcessLimiter({
  store: openSqliteUsageStore({ file, clock }),
  clock,
  scheduler: processScheduler,
  maintainMs: 10,
})
const uses = texts.map((text) => useOf('key:a', text))
for (;;) {
  let admitted = 0
  for (const use of uses) {
    if ((await limiter.take([use])).refusal !== undefined) continue
    admitted += 1
    sayLine(`${use.limit.text}`)
  }
  if (admitted === 0) break
  // The timer has its turn.
  if (Math.random() < 0.05) await new Promise((resolve) => setImmediate(resolve))
}
sayLine('full')
