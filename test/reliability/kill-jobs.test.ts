import { expect, test } from 'vitest'
import type { JobModel } from '../../src/jobs/worker/ask-model.ts'
import { openModelward } from '../../src/ward/open-modelward.ts'
import { startProcess } from '../contract/child-process.ts'
import { createTemporaryFolder } from '../contract/temporary-folder.ts'
import { killJobs } from './kill-jobs.ts'

const double: JobModel = { batchMax: 1, predict: (inputs) => inputs.map((input) => 2 * Number(input)) }

test('every job that was accepted before `kill -9` ends with its own result, once, and its records tell of it', async () => {
  const data = createTemporaryFolder()
  const victim = startProcess('submit-jobs', data)
  await victim.waitForLines(60)
  const accepted = (await victim.kill()).map((line) => line.split(' '))
  const ward = await openModelward({
    data,
    jobs: { models: new Map([['double', double]]), leaseMs: 5_000 },
  })
  for (const [owner = '', id = '', input] of accepted) {
    const job = await ward.jobs?.get(owner, id, { waitMs: 30_000 })
    expect(job).toMatchObject({ status: 'succeeded', result: [2 * Number(input), 2 * Number(input)] })
  }
  await ward.jobs?.close()
  const events = new Map<unknown, string[]>()
  for (let after: string | undefined, isMore = true; isMore; ) {
    const page = await ward.ledger?.query({ limit: 1_000, order: 'oldest', ...(after && { after }) })
    for (const { event, detail } of page?.records ?? [])
      if (event.startsWith('job.')) {
        const id = Object.entries(detail ?? {}).find(([name]) => name === 'job')?.[1]
        events.set(id, [...(events.get(id) ?? []), event])
      }
    isMore = page?.records.length === 1_000
    after = page?.next
  }
  for (const [, id] of accepted) {
    const recorded = events.get(id) ?? []
    expect(recorded).toContain('job.accepted')
    expect(recorded).toContain('job.started')
    expect(recorded.filter((event) => event === 'job.finished')).toHaveLength(1)
  }
  await ward.close()
})

// `node test/reliability/kill-jobs.ts 20` plays twenty.
test('kill -9 of a server after its first 202s, again and again: each accepted job ends with its own result, once', async () => {
  const { accepted, completed, lost, doubled, repeated, unrecorded } = await killJobs(4, () => {})
  expect(accepted).toBeGreaterThan(50)
  expect({ completed, lost, doubled, repeated, unrecorded }).toEqual({
    ...{ completed: accepted, lost: [], doubled: [], repeated: [], unrecorded: [] },
  })
}, 240_000)
