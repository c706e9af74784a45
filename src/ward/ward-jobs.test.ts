import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startProcess } from '../../test/contract/child-process.ts'
import { openTestWard } from '../../test/support/open-test-ward.ts'
import { processScheduler } from '../core/scheduler.ts'
import type { JobModel } from '../jobs/worker/ask-model.ts'
import { createInProcessJobStore } from '../storage/sqlite/jobs/in-process-job-store.ts'
import { guard, usageOf } from '../web/index.ts'
import { openModelward } from './open-modelward.ts'
import { createTestWard } from './test-ward.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelward-jobs-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

const models = new Map<string, JobModel>([
  ['length', { batchMax: 32, predict: (inputs) => inputs.map((input) => `${input}`.length) }],
])

const request = { owner: 'acme', keyId: 'k', model: 'length', kind: 'batch', inputs: ['a', 'bc'] } as const

describe('ward.jobs', () => {
  test('outlive the process that accepted them, with their results and their records', async () => {
    // This process accepts and does not work.
    const first = await openModelward({ data: folder, jobs: { models, concurrency: 0 } })
    const { id } = (await first.jobs.submit(request)).job
    await first.close()
    const second = await openModelward({ data: folder, jobs: { models } })
    expect(await second.jobs.get('acme', id, { waitMs: 30_000 })).toMatchObject({
      status: 'succeeded',
      result: [1, 2],
    })
    // The job's last record follows its end.
    await second.jobs.close()
    const page = await second.ledger?.query({ limit: 10, order: 'oldest', owner: 'acme' })
    expect(page?.records.map(({ event }) => event)).toEqual(['job.accepted', 'job.started', 'job.finished'])
    await second.close()
  })

  test('that a caller waits for keep the process alive, however long they take, and so does closing', async () => {
    expect(await startProcess('await-jobs', folder).ended).toEqual([
      ...['waited: succeeded', 'followed: succeeded', 'closed'],
    ])
  })

  test('are there where they are asked for, and wrong options are told all at once', async () => {
    const ward = await openModelward({ data: folder })
    expect(ward.jobs).toBeUndefined()
    await ward.close()
    const wrong = { models: new Map([['m', {}]]), jobsMax: 0 } as never
    await expect(openModelward({ data: folder, jobs: wrong })).rejects.toThrow(/models.*jobsMax/)
  })

  test('hold what their request took until they end: a slot is free when the job is', async () => {
    const answers: (() => void)[] = []
    const slow: JobModel = {
      batchMax: 1,
      predict: (inputs) => new Promise((resolve) => answers.push(() => resolve(inputs))),
    }
    const ward = await openTestWard({
      scheduler: processScheduler,
      jobStore: createInProcessJobStore(),
      jobs: { models: new Map([['slow', slow]]) },
    })
    const { text } = await ward.keys.create({ name: 'a', owner: 'acme', limits: ['1 concurrent'] })
    const handler = guard(ward, {}, async (request, caller) => {
      const { owner = '', keyId = '' } = caller ?? {}
      const usage = usageOf(ward, request)
      const submitted = await ward.jobs?.submit({
        owner,
        keyId,
        model: 'slow',
        kind: 'single',
        inputs: [1],
        usage,
      })
      return Response.json(submitted?.job, { status: 202 })
    })
    const ask = () => handler(new Request('http://localhost/', { headers: { 'X-API-Key': text } }))
    const accepted = await ask()
    expect(accepted.status).toBe(202)
    expect((await ask()).status).toBe(429)
    const { id } = (await accepted.json()) as { readonly id: string }
    const ended = ward.jobs?.get('acme', id, { waitMs: 30_000 })
    while (answers.length === 0) await new Promise((resolve) => setImmediate(resolve))
    answers[0]?.()
    expect(await ended).toMatchObject({ status: 'succeeded' })
    expect((await ask()).status).toBe(202)
    await ward.jobs?.close({ graceMs: 0 })
    await ward.close()
  })

  test('are in a test ward, in memory, and go on by its clock', async () => {
    let failures = 1
    const shaky: JobModel = {
      batchMax: 1,
      predict(inputs) {
        if (failures-- > 0) throw new Error('out of memory')
        return inputs
      },
    }
    const ward = await createTestWard({
      keys: { alice: { owner: 'acme' } },
      // As the app has them: a test sends nothing.
      jobs: { models: new Map([['shaky', shaky]]), webhooks: {} },
    })
    const { id } = (await ward.jobs.submit({ ...request, model: 'shaky', inputs: ['a'] })).job
    const events = await ward.jobs.events('acme', id)
    const ended = (async () => {
      for await (const { job } of events) {
        // The first attempt has failed: nothing more happens until the time comes.
        if (job.status === 'queued' && job.attempts === 1) ward.advance('1min')
        if (job.finished_at !== null) return job
      }
      return undefined
    })()
    expect(await ended).toMatchObject({ status: 'succeeded', attempts: 2, result: ['a'] })
    await ward.close()
    const names = ward.records().map(({ event }) => event)
    expect(names.filter((event) => event.startsWith('job.'))).toEqual([
      ...['job.accepted', 'job.started', 'job.failed', 'job.started', 'job.finished'],
    ])
  })
})
