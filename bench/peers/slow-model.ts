// A model that needs 20 ms of CPU time for a call, whatever else the machine does.
import type { Model } from '../../src/models/model.ts'

const microseconds = 20_000

export const model: Model = {
  name: 'slow',
  version: 'slow-1',
  runs: 'threaded',
  batchMax: 1,
  predict(inputs) {
    const before = process.threadCpuUsage()
    for (;;) {
      const { user, system } = process.threadCpuUsage(before)
      if (user + system >= microseconds) return inputs.map(() => ({ sentiment: 'neutral' }))
    }
  },
}
