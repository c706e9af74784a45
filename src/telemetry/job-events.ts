import { type EventName, type EventRow, outageFields } from './event-row.ts'

/** Events of jobs, their webhooks and their stored answers. */
export const jobEvents: {
  readonly [Name in Extract<
    EventName,
    `${'job' | 'jobs' | 'webhook' | 'idempotency'}.${string}`
  >]: EventRow<Name>
} = {
  'jobs.thread_restarted': {
    level: 'warn',
    sentence: 'a thread of the job store ended and is started again',
    remedy: 'Calls in between answer 503 `store_unavailable`. Report it if it happens again.',
    fields: { thread: 'which thread' },
  },
  'jobs.hints_not_heard': {
    level: 'warn',
    sentence: 'this node does not hear what other nodes do with jobs',
    remedy:
      'Nothing is lost: clients that wait for a job of another node hear of it a second later. Behind a pooler that is so; else look at the cause: it connects again by itself.',
    explainedBy: 'store.unreachable',
    fields: outageFields,
  },
  'jobs.hints_heard': {
    level: 'info',
    sentence: 'this node hears again what other nodes do with jobs',
    remedy: 'Nothing to do.',
    fields: outageFields,
  },
  'jobs.unclaimable': {
    level: 'error',
    sentence: 'the worker cannot claim jobs',
    remedy: 'Jobs wait until the store answers. Ends with `jobs.claimable`.',
    explainedBy: 'store.unreachable',
    fields: outageFields,
  },
  'jobs.claimable': {
    level: 'info',
    sentence: 'the worker claims jobs again',
    remedy: 'Nothing to do.',
    fields: outageFields,
  },
  'jobs.leases_not_renewed': {
    level: 'error',
    sentence: 'the leases of running jobs cannot be renewed',
    remedy:
      'Once a lease ends, another worker runs the job again, and this one’s result is refused. Ends with `jobs.leases_renewed`.',
    explainedBy: 'store.unreachable',
    fields: outageFields,
  },
  'jobs.leases_renewed': {
    level: 'info',
    sentence: 'the leases of running jobs are renewed again',
    remedy: 'Nothing to do.',
    fields: outageFields,
  },
  'jobs.sweep_failed': {
    level: 'error',
    sentence: 'a periodic task of the job service failed',
    remedy: 'It is tried again at its next turn.',
    isBrief: true,
    explainedBy: 'store.unreachable',
    fields: { task: 'which task', times: 'how many since the last such line' },
  },
  'jobs.ends_unknown': {
    level: 'error',
    sentence: 'it could not be found out whether all ended jobs are recorded',
    remedy: 'The next start looks again.',
    fields: {},
  },
  'jobs.unserved': {
    level: 'warn',
    sentence: 'jobs wait for a model, or an upstream, that this process does not serve',
    remedy:
      'Said at a start. They wait, and count in `--queue-max`, until a process serves it again: in a fleet another node may. Put it back into the configuration, or end them: `modelward jobs list --status queued`, `modelward jobs cancel ID`.',
    fields: {
      jobs: 'how many of the newest 1,000 that wait',
      models: 'which, 8 at most; `upstream:NAME` is a model server’s',
    },
  },
  'job.attempt_failed': {
    level: 'error',
    sentence: 'an attempt at a job failed',
    remedy: 'It is tried again after a delay, and is `dead` after its last attempt.',
    isOfRequest: true,
    fields: { job: 'its id', attempt: 'which attempt, from 1' },
  },
  'job.dead': {
    level: 'error',
    sentence: 'a job has failed in its last attempt',
    remedy:
      'It stands until it expires, and counts in `modelward_jobs{status="dead"}`. See why with `modelward jobs show`; `modelward jobs retry` puts it back in the queue.',
    isOfRequest: true,
    fields: { job: 'its id', attempts: 'how many it had', code: 'the code of its error' },
  },
  'job.damaged': {
    level: 'error',
    sentence:
      'the row of a job in `jobs.db`, or in a fleet’s database, is not the one that was written: the disk or another program changed it',
    remedy:
      'It does not run, and is answered 503 `store_unavailable`; it is deleted after `--job-keep`. All other jobs go on. `modelward doctor` names every such row of a folder. Restore a backup to get it back, and have the disk checked.',
    fields: { job: 'its id' },
  },
  'job.not_begun': {
    level: 'error',
    sentence: 'a job does not begin: its start could not be recorded',
    remedy: 'It goes back to the queue. See `ledger.unreachable`.',
    explainedBy: 'store.unreachable',
    isOfRequest: true,
    fields: { job: 'its id' },
  },
  'job.not_ended': {
    level: 'error',
    sentence: 'the end of a job could not be stored',
    remedy: 'The worker renews the lease and tries again until the store answers, or the lease is lost.',
    explainedBy: 'store.unreachable',
    isOfRequest: true,
    fields: { job: 'its id' },
  },
  'job.not_recorded': {
    level: 'error',
    sentence: 'the end of a job could not be recorded',
    remedy: 'The next start records it, marked `late`.',
    explainedBy: 'store.unreachable',
    isOfRequest: true,
    fields: { job: 'its id' },
  },
  'job.not_cancelled': {
    level: 'error',
    sentence: 'a job was answered with a fault, and could not be cancelled',
    remedy: 'It may run although its client saw a 503. Cancel it with `modelward jobs cancel`.',
    isOfRequest: true,
    fields: { job: 'its id' },
  },
  'job.handback_failed': {
    level: 'error',
    sentence: 'a job could not be handed back, and waits for its lease to end',
    remedy: 'Nothing to do: another worker takes it then.',
    explainedBy: 'store.unreachable',
    isOfRequest: true,
    fields: { job: 'its id' },
  },
  'job.lease_lost': {
    level: 'warn',
    sentence: 'a worker has lost its lease on a job, and what it was doing is thrown away',
    remedy:
      'Another worker runs the job, or has: no job has two results, but its model was asked twice. The process was stopped for longer than the lease, its event loop was blocked, or it did not reach the store: see `jobs.leases_not_renewed`. Not said of a job that was cancelled.',
    explainedBy: 'store.unreachable',
    isOfRequest: true,
    fields: { job: 'its id', attempt: 'which attempt, from 1' },
  },
  'webhook.gave_up': {
    level: 'warn',
    sentence: 'a webhook was not delivered, and is not tried again',
    remedy:
      'Its receiver refused it for a day, answered 410, or cannot be asked. Mend the receiver, then send it again with `modelward webhooks retry`.',
    isOfRequest: true,
    fields: { delivery: 'its id', attempts: 'how many there were', reason: 'why the last one failed' },
  },
  'webhook.secret_unreadable': {
    level: 'error',
    sentence: 'a webhook secret could not be opened',
    remedy: 'It was sealed under another pepper. Restore the pepper, or make a new secret.',
    isBrief: true,
    isOfRequest: true,
    fields: { times: 'how many since the last such line' },
  },
  'webhook.outbox_unreadable': {
    level: 'error',
    sentence: 'webhooks that are due cannot be read',
    remedy: 'They wait until the store answers. Ends with `webhook.outbox_readable`.',
    explainedBy: 'store.unreachable',
    fields: outageFields,
  },
  'webhook.outbox_readable': {
    level: 'info',
    sentence: 'webhooks that are due are read again',
    remedy: 'Nothing to do.',
    fields: outageFields,
  },
  'webhook.not_settled': {
    level: 'error',
    sentence: 'the outcome of a webhook could not be stored',
    remedy: 'It is sent again once its lease ends; receivers deduplicate by `webhook-id`.',
    isBrief: true,
    explainedBy: 'store.unreachable',
    isOfRequest: true,
    fields: { times: 'how many since the last such line' },
  },
  'webhook.not_recorded': {
    level: 'error',
    sentence: 'the end of a webhook could not be recorded',
    remedy: 'The delivery itself is stored. See `ledger.unreachable`.',
    isBrief: true,
    isOfRequest: true,
    fields: { times: 'how many since the last such line' },
  },
  'idempotency.release_failed': {
    level: 'error',
    sentence: 'an Idempotency-Key could not be released',
    remedy: 'Repeated requests answer 409 until its lease ends.',
    isBrief: true,
    isOfRequest: true,
    fields: { times: 'how many since the last such line' },
  },
}
