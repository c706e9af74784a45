import type { JobRecord } from '../jobs/job.ts'
import { acceptJob } from '../jobs/transitions.ts'

/** Stands for a job that a webhook's message can no longer say: the message is never sent. */
export function unreadJob(delivery: {
  readonly jobId: string
  readonly owner: string
  readonly url: string
}): JobRecord {
  const { jobId: id, owner, url: webhook } = delivery
  const unknown = { keyId: '', requestId: null, model: '', kind: 'single', inputs: '[]' } as const
  return acceptJob({ ...unknown, id, owner, webhook, total: 0, priority: 0, attemptsMax: 1, createdAt: 0 })
}
