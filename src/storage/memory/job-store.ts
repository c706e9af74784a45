import { Fault } from '../../core/fault.ts'
import type { JobStore } from '../job-store.ts'
import { createJobAnswers } from './job-answers.ts'
import { createJobOutbox } from './job-outbox.ts'
import { createJobQueue } from './job-queue.ts'
import { createJobSecrets } from './job-secrets.ts'
import { createJobTable } from './job-table.ts'

/**
 * Keeps jobs in this process's memory: for tests, and for trying things out. They end with the process, so nothing in it is durable.
 * Submitting, claiming and settling take O(log n) a job, whatever else waits; listing looks at every job of the owner.
 */
export function createMemoryJobStore(): JobStore {
  const answers = createJobAnswers()
  const outbox = createJobOutbox()
  const secrets = createJobSecrets()
  let isOpen = true

  /** Runs one call; what it throws rejects the promise, as it does in every store. */
  async function run<T>(work: () => T): Promise<T> {
    if (!isOpen) throw new Fault('store_unavailable', 'the job store is closed')
    return work()
  }

  return {
    ...createJobQueue({ table: createJobTable(), answers, outbox }, run),
    reserve: (reservation, now) => run(() => answers.reserve(reservation, now)),
    keep: (answer) => run(() => answers.keep(answer)),
    release: (reservation) => run(() => answers.release(reservation)),
    claimDeliveries: (ask) => run(() => outbox.claim(ask)),
    settleDelivery: (attempt) => run(() => outbox.settle(attempt)),
    listDeliveries: (query) => run(() => outbox.list(query)),
    findWebhookSecrets: (owner, now) => run(() => secrets.find(owner, now)),
    addWebhookSecret: (secret, overlapUntil) => run(() => secrets.add(secret, overlapUntil)),
    close: async () => {
      isOpen = false
    },
  }
}
