import { setTimeout as delay } from 'node:timers/promises'
import type { JobModel } from '../../../src/jobs/worker/ask-model.ts'
import { openModelward } from '../../../src/ward/open-modelward.ts'
import { sayLine } from './say-line.ts'

// Submits jobs, many at once, and works on them. Prints the name of each accepted one.
const [, , data = ''] = process.argv
const double: JobModel = {
  batchMax: 1,
  predict: async (inputs) => {
    // The model's own work, so that a kill finds some of it under way; no test waits for it.
    await delay(5)
    return inputs.map((input) => 2 * Number(input))
  },
}
const ward = await openModelward({
  data,
  jobs: { models: new Map([['double', double]]), leaseMs: 5_000, concurrency: 8 },
})
let number = 0
async function submitOn(owner: string): Promise<void> {
  for (;;) {
    const input = number++
    const submitted = await ward.jobs?.submit({
      owner,
      keyId: 'k',
      model: 'double',
      kind: 'batch',
      inputs: [input, input],
    })
    sayLine(`${owner} ${submitted?.job.id} ${input}`)
  }
}
await Promise.all(['a', 'b', 'c', 'd'].map(submitOn))
