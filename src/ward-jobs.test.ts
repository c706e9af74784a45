import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openTestWard } from '../test/support/open-test-ward.ts'
import type { JobModel } from './jobs/run-attempt.ts'
import { openModelward } from './open-modelward.ts'
import { createMemoryJobStore } from './stores/memory/job-store.ts'
import { guard, usageOf } from './web/index.ts'

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
    const submitted = await first.jobs?.submit(request)
    const id = submitted?.job.id ?? ''
    await first.close()
    const second = await openModelward({ data: folder, jobs: { models } })
    expect(await second.jobs?.get('acme', id, { waitMs: 30_000 })).toMatchObject({
      status: 'succeeded',
      result: [1, 2],
    })
    // The job's last record follows its end.
    await second.jobs?.close()
    const page = await second.ledger?.query({ limit: 10, order: 'oldest', owner: 'acme' })
    expect(page?.records.map(({ event }) => event)).toEqual(['job.accepted', 'job.started', 'job.finished'])
    await second.close()
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
      jobs: { store: createMemoryJobStore(), models: new Map([['slow', slow]]) },
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
})
