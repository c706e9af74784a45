import type { JobModel } from '../../../src/jobs/worker/ask-model.ts'
import { openModelward } from '../../../src/ward/open-modelward.ts'
import { sayLine } from './say-line.ts'

// Waits: for a job that is retried later, for the events of another, and for a model that never
// answers.
const [, , data = ''] = process.argv
const tried = new Set<unknown>()
const models = new Map<string, JobModel>([
  [
    'shaky',
    {
      batchMax: 1,
      predict(inputs) {
        if (tried.has(inputs[0])) return inputs
        tried.add(inputs[0])
        throw new Error('not at the first time')
      },
    },
  ],
  ['stuck', { batchMax: 1, predict: () => new Promise(() => {}) }],
])
const ward = await openModelward({ data, jobs: { models, graceMs: 100 } })

async function submit(model: string, input: string): Promise<string> {
  const { job } = await ward.jobs.submit({
    owner: 'acme',
    keyId: 'k',
    model,
    kind: 'single',
    inputs: [input],
  })
  return job.id
}

const waited = await ward.jobs.get('acme', await submit('shaky', 'a'), { waitMs: Number.POSITIVE_INFINITY })
sayLine(`waited: ${waited.status}`)
let last = ''
for await (const { job } of await ward.jobs.events('acme', await submit('shaky', 'b'))) last = job.status
sayLine(`followed: ${last}`)
for await (const { job } of await ward.jobs.events('acme', await submit('stuck', 'c')))
  if (job.status === 'running') break
await ward.close()
sayLine('closed')
