import type { JobRecord } from '../../src/jobs/job.ts'

/** A job of `acme` that has succeeded, a second after it began, with the fields given. */
export function endedJob(fields: Partial<JobRecord> = {}): JobRecord {
  return {
    id: 'job_0000000000000000000001',
    owner: 'acme',
    keyId: '7Qm2xT0bKc9Z',
    requestId: null,
    model: 'sentiment',
    kind: 'single',
    total: 1,
    priority: 0,
    attemptsMax: 3,
    webhook: 'https://hooks.example/in',
    createdAt: 1_000,
    status: 'succeeded',
    version: 3,
    done: 1,
    errors: 0,
    attempts: 1,
    result: null,
    error: null,
    startedAt: 2_000,
    finishedAt: 3_000,
    expiresAt: 86_403_000,
    ...fields,
  }
}
