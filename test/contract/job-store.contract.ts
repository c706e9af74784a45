import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JobStore } from '../../src/storage/job-store.ts'
import { testDeliveryRetries } from './delivery-retries.contract.ts'
import { testIdempotencyStore } from './idempotency-store.contract.ts'
import { testJobBytes } from './job-bytes.contract.ts'
import { testJobClaims } from './job-claims.contract.ts'
import { testJobEnds } from './job-ends.contract.ts'
import {
  askOf,
  type GetStore,
  jobBegin,
  jobOf,
  keepMs,
  type OpenedJobStore,
  type OpenJobStore,
  reservationOf,
  reservedAnswerOf,
  unavailable,
  wide,
} from './job-fixtures.ts'
import { testJobListing } from './job-listing.contract.ts'
import { testJobReopening } from './job-reopening.contract.ts'
import { testJobSequences } from './job-sequences.contract.ts'
import { testJobSubmission } from './job-submission.contract.ts'
import { testJobWatch } from './job-watch.contract.ts'
import { testWebhookOutbox } from './webhook-outbox.contract.ts'

/**
 * The promises of `JobStore`, for every store.
 *
 * @param sequences how many sequences of calls are compared with the model: fewer for a slow store
 */
export function describeJobStore(name: string, open: OpenJobStore, sequences: number): void {
  describe(`job store: ${name}`, () => {
    let opened: OpenedJobStore
    let store: JobStore
    beforeEach(async () => {
      opened = await open()
      store = opened.store
    })
    afterEach(() => opened.close())
    const get: GetStore = () => store

    describe('submitting', () => testJobSubmission(get))
    describe('bytes', () => testJobBytes(get))
    describe('claiming and extending', () => testJobClaims(get))
    describe('ending', () => testJobEnds(get))
    describe('finding, listing and forgetting', () => testJobListing(get))
    describe('watching', () => testJobWatch(get))
    describe('stored answers and reservations', () => testIdempotencyStore(get))
    describe('webhooks', () => testWebhookOutbox(get))
    describe('webhooks that are sent again', () => testDeliveryRetries(get, () => opened))
    describe('models', () => testJobSequences(open, sequences))
    describe('opening again', () => testJobReopening(() => opened))

    test('after close every call rejects with store_unavailable, and closing again does nothing', async () => {
      await store.close()
      const address = { id: jobOf(1).id }
      const then = 'delivered' as const
      const result = { at: jobBegin, status: 200, reason: null }
      const attempt = { id: 'msg_a', lease: 'a', result, then }
      const calls: readonly (() => Promise<unknown>)[] = [
        () => store.submit({ jobs: [jobOf(1)], bounds: wide }),
        () => store.claim(askOf()),
        () => store.extend([], jobBegin, wide),
        () => store.settle([], jobBegin, wide),
        () => store.cancel(address, jobBegin, keepMs),
        () => store.retry(address, jobBegin),
        () => store.findJob(address, jobBegin),
        () => store.listJobs({ limit: 1, now: jobBegin }),
        () => store.forgetExpired(jobBegin, 1),
        () => store.countJobs(),
        () => store.reserve(reservationOf(), jobBegin, wide),
        () => store.storeAnswer(reservedAnswerOf()),
        () => store.release(reservationOf()),
        () => store.claimDeliveries({ max: 1, ownerMax: 1, now: jobBegin, until: jobBegin }),
        () => store.settleDelivery(attempt),
        () => store.listDeliveries({ limit: 1 }),
        () => store.findDelivery({ id: 'msg_a' }),
        () => store.retryDelivery({ id: 'msg_a' }, jobBegin),
        () => store.findWebhookSecrets('acme', jobBegin),
        () =>
          store.addWebhookSecret(
            { owner: 'acme', sealed: new Uint8Array(1), createdAt: jobBegin, signsUntil: null },
            jobBegin,
          ),
      ]
      for (const call of calls) await expect(call(), String(call)).rejects.toMatchObject(unavailable)
      await expect(store.close()).resolves.toBeUndefined()
    })
  })
}
