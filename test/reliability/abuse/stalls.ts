// For `--import` by a server under test: at each SIGUSR2 it says on standard error how long its
// event loop stood still since the last one, and how long the garbage collector stopped it.
import { writeSync } from 'node:fs'
import { monitorEventLoopDelay, PerformanceObserver, performance } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

/** What a server says of itself. */
export interface Stalls {
  /** Longest that its event loop took for a turn, in milliseconds. */
  readonly longestMs: number
  readonly p99Ms: number
  /** Of the time, how much its main thread worked, and of that the garbage collector. */
  readonly busy: number
  readonly collecting: number
}

const resolutionMs = 10

if (isMainThread && process.argv[2] === 'serve') {
  const turns = monitorEventLoopDelay({ resolution: resolutionMs })
  turns.enable()
  let collectingMs = 0
  let used = performance.eventLoopUtilization()
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) collectingMs += duration
  }).observe({ entryTypes: ['gc'] })
  process.on('SIGUSR2', () => {
    const { active, idle, utilization } = performance.eventLoopUtilization(used)
    const stalls: Stalls = {
      longestMs: Math.round(turns.max / 1e6 - resolutionMs),
      p99Ms: Math.round(turns.percentile(99) / 1e6 - resolutionMs),
      busy: Number(utilization.toFixed(3)),
      collecting: Number((collectingMs / (active + idle)).toFixed(3)),
    }
    writeSync(2, `${JSON.stringify({ stalls })}\n`)
    turns.reset()
    collectingMs = 0
    used = performance.eventLoopUtilization()
  })
}
