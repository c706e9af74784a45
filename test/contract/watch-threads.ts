import type { Worker } from 'node:worker_threads'
import { onTestFinished } from 'vitest'

/** The threads that this process starts from now on until the test ends, in their order. */
export function watchThreads(): readonly Worker[] {
  const threads: Worker[] = []
  const add = (thread: Worker): void => void threads.push(thread)
  process.on('worker', add)
  onTestFinished(() => void process.off('worker', add))
  return threads
}
