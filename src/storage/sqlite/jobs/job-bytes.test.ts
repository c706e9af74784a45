import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  answered,
  askOf,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  lateness,
  reservationOf,
  reservedAnswerOf,
  wide,
} from '../../../../test/contract/job-fixtures.ts'
import { compareStoredBytes } from '../../../../test/support/stored-bytes.ts'
import type { AttemptEnd, ClaimedJob, JobProgress } from '../../../jobs/job-queue.ts'
import type { SqliteDatabase } from '../database.ts'
import { openInProcess } from '../driver.ts'
import { takeStep } from '../prepare-database.ts'
import type { JobWrites, SyncCalls } from './job-calls.ts'
import { createChangeNotes } from './job-parts.ts'
import { jobSteps } from './job-schema.ts'
import { createJobWrites } from './job-writer.ts'

type Writes = SyncCalls<JobWrites>

function openSteps(count: number = jobSteps.length): SqliteDatabase {
  const database = openInProcess()
  for (const step of jobSteps.slice(0, count)) takeStep(database, step)
  return database
}

const owner = fc.constantFrom('acme', 'globex', 'initech')
const text = fc.string({ unit: 'binary', maxLength: 300 })
const step = fc.oneof(
  fc.record({
    kind: fc.constant('submit' as const),
    owner,
    text,
    webhook: fc.constantFrom(null, 'https://example.com/é'),
  }),
  fc.record({
    kind: fc.constant('settle' as const),
    end: fc.constantFrom('succeeded', 'failed', 'retry', 'released'),
    text,
  }),
  fc.record({ kind: fc.constant('extend' as const), text }),
  fc.record({ kind: fc.constantFrom('cancel' as const, 'retry' as const), number: fc.nat(8) }),
  fc.record({ kind: fc.constant('answer' as const), owner, text, isStored: fc.boolean() }),
  fc.record({ kind: fc.constant('deliver' as const) }),
  fc.record({
    kind: fc.constant('forget' as const),
    after: fc.constantFrom(0, keepMs),
    max: fc.integer({ min: 1, max: 5 }),
  }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** Of three inputs, the next one or the rest. */
function held({ id, lease, done, total }: ClaimedJob, text: string): JobProgress {
  const inputs = text.length % 2 === 0 ? total - done : 1
  const answers = Array.from({ length: inputs }, () => JSON.stringify(text)).join()
  return { id, lease, answers: done < total ? answered(answers, inputs, done) : [] }
}

/** Plays steps; results find room only under small bounds now and then. */
function createPlayer(writes: Writes): (step: Step) => void {
  let submitted = 0
  let now = jobBegin
  let claimed: ClaimedJob | undefined
  const bounds = { ...wide, ownerBytesMax: 2_000 }
  function endOf(job: ClaimedJob, end: string, result: string): AttemptEnd {
    const attempt = { ...held(job, result), expiresAt: now + keepMs }
    if (end === 'succeeded') return { ...attempt, end }
    if (end === 'failed') return { ...attempt, end, error: lateness }
    if (end === 'retry') return { ...attempt, end, error: lateness, retryAt: now }
    return { ...attempt, end: 'released' }
  }
  return (step) => {
    now += 1
    switch (step.kind) {
      case 'submit': {
        submitted += 1
        const { owner, webhook, text: inputs } = step
        const fields = { owner, webhook, inputs, total: 3, kind: 'batch' } as const
        writes.submit({ jobs: [jobOf(submitted, fields)], bounds: wide })
        return
      }
      case 'settle':
        claimed = writes.claim(askOf({ max: 1, now })).claimed[0] ?? claimed
        if (claimed !== undefined) writes.settle([endOf(claimed, step.end, step.text)], now, bounds)
        return
      case 'extend':
        claimed = writes.claim(askOf({ max: 1, now })).claimed[0] ?? claimed
        if (claimed !== undefined) writes.extend([held(claimed, step.text)], now + 1, bounds)
        return
      case 'cancel':
        writes.cancel({ id: jobId(step.number) }, now, keepMs)
        return
      case 'retry':
        writes.retry({ id: jobId(step.number) }, now)
        return
      case 'answer': {
        const id = `of ${step.text.length % 5}`
        writes.reserve(reservationOf({ id, owner: step.owner, until: now + keepMs }), now, wide)
        if (step.isStored)
          writes.storeAnswer(reservedAnswerOf({ id, sealed: Buffer.from(step.text), expiresAt: now + 2 }))
        else writes.release(reservationOf({ id }))
        return
      }
      case 'deliver': {
        const ask = { max: 1, ownerMax: 9, now, until: now + 1 }
        const result = { at: now, status: 200, reason: null }
        const then = 'delivered'
        for (const { id, lease } of writes.claimDeliveries(ask))
          writes.settleDelivery({ id, lease: lease ?? '', result, then })
        return
      }
      case 'forget':
        writes.forgetExpired(now + step.after, step.max)
    }
  }
}

test('whatever is done, the bytes that are kept are those that a scan counts', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
      const database = openSteps()
      const play = createPlayer(createJobWrites(database, createChangeNotes()))
      for (const each of steps) {
        play(each)
        const { kept, counted } = compareStoredBytes(database)
        expect(kept).toEqual(counted)
      }
      database.close()
    }),
    { numRuns: 200 },
  )
})

test('a file of an earlier version is counted as it is opened; answers without an owner, in all', () => {
  const database = openSteps(2)
  const columns =
    'place, id, owner, key_id, model, kind, total, priority, attempts_max, created_at, version, done, attempts, is_ready'
  database.exec(`
    INSERT INTO jobs (${columns}, status) VALUES (1, 'a', 'acme', 'k', 'm', 'single', 1, 0, 1, 0, 1, 0, 0, 1, 'queued');
    INSERT INTO job_inputs VALUES (1, '["é"]');
    INSERT INTO jobs (${columns}, status, expires_at)
      VALUES (2, 'b', 'acme', 'k', 'm', 'single', 1, 0, 1, 0, 1, 0, 0, 0, 'succeeded', 9);
    INSERT INTO job_results VALUES (2, '"result"');
    INSERT INTO answers VALUES ('x', 'y', 'z', x'0102', 9);
    INSERT INTO deliveries (id, job_id, owner, url, job, status, attempts, created_at, is_job_forgotten)
      VALUES ('d', 'gone', 'globex', 'https://u', '{}', 'delivered', 1, 0, 0);`)
  for (const step of jobSteps.slice(2)) takeStep(database, step)
  const { kept, counted } = compareStoredBytes(database)
  expect(kept).toEqual(counted)
  expect(kept).toEqual([
    { owner: '', bytes: 4 * 1_024 + 6 + 8 + 2 + 11 },
    { owner: 'acme', bytes: 2 * 1_024 + 6 + 8 },
    { owner: 'globex', bytes: 1_024 + 11 },
  ])
  database.close()
})
