import type { EventName, EventRow } from './event-row.ts'
import { fleetEvents } from './fleet-events.ts'
import { limiterEvents } from './limiter-events.ts'
import { modelEvents } from './model-events.ts'

/**
 * Every operational event. They are for the operator: a request's own fault is its answer and its
 * record. An outage is one event at its start and one at its end, never one a request.
 */
export const events: { readonly [Name in EventName]: EventRow<Name> } = {
  'guard.address_unknown': {
    level: 'warn',
    sentence: 'a client came from what is no address',
    remedy:
      'Said once for each process. All such clients count as one, `unknown`, and keys with an address list are refused. Let the proxy that is trusted send the address in `X-Forwarded-For`, with or without a port; an `address` option must return it.',
    fields: {},
  },
  'server.proxy_untrusted': {
    level: 'warn',
    sentence: 'a request names its client in `X-Forwarded-For`, and no proxy is trusted',
    remedy:
      'Said once for each process. The address of a client is the connection’s. Behind a proxy all clients then have one address, for allow lists, wrong keys and records: name the proxy, and nothing else, with `--trust-proxy`. Without a proxy a client has sent the header itself, and nothing believes it.',
    fields: {},
  },
  'server.failed': {
    level: 'fatal',
    sentence: 'an error that nothing caught, or a call of `process.exit`, ends the server',
    remedy:
      "It answers what is under way, hands jobs back, and ends with 1 within `--shutdown-grace` and 20 s. Look at the cause, most likely an inline model: one in a process of its own (`runs: 'process'`) harms only its own call. Let a service manager start the server again.",
    fields: {},
  },
  'server.stores_awaited': {
    level: 'error',
    sentence: 'the database cannot be reached, and the server waits for it',
    remedy:
      'Said once for each start. Until it can open it the server answers 503, `/ready` too, and tries each second. Look at the cause: the address, the network, or a service that is down.',
    fields: {},
  },
  'server.worker_lost': {
    level: 'error',
    sentence: 'one of the processes of `--workers` has ended; another takes its place',
    remedy:
      'After a second, and longer where that one ends soon too. Its jobs come back after their lease. Look for what ended it: `server.failed` before this line, or the system, for want of memory.',
    fields: { ended_by: 'a signal, or its exit code' },
  },
  'server.runner_gone': {
    level: 'info',
    sentence: 'the npm that started the server has ended; the server closes as after SIGTERM',
    remedy: 'Nothing to do. Start `modelward serve` by `node` or `exec` where it shall outlive npm.',
    fields: {},
  },
  'server.requests_not_logged': {
    level: 'warn',
    sentence: 'lines about requests were lost: the reader of standard error was slow',
    remedy:
      'Said at most once a second. Requests were answered and recorded as ever. Read standard error faster, or turn the lines off with `--log-requests false`: the ledger has every request.',
    fields: { lines: 'how many' },
  },
  'forward_auth.untrusted': {
    level: 'warn',
    sentence: 'a peer that is no trusted proxy asked for the verdict on a forwarded request',
    remedy:
      'Said once a minute at most. It got 403, and no key was looked at. Where the peer is your proxy, name it with `--trust-proxy`; else let no other machine reach this port.',
    fields: {
      peer: 'its address, of the last that asked',
      requests: 'how many such requests came since the last of these events',
    },
  },
  'keys.sync_failed': {
    level: 'error',
    sentence: 'the key store cannot be asked for changes',
    remedy:
      'Cached keys are valid until the lease ends, then 503 `store_unavailable`. Ends with `keys.sync_back`.',
    fields: {},
  },
  'keys.sync_back': {
    level: 'info',
    sentence: 'the key store answers again',
    remedy: 'Nothing to do.',
    fields: {},
  },
  'keys.refresh_failed': {
    level: 'error',
    sentence: 'a key was changed, and the cache could not be refreshed at once',
    remedy: 'The next poll refreshes it; until then the lease bounds how long the old state is used.',
    fields: {},
  },
  'keys.upgrade_failed': {
    level: 'error',
    sentence: 'an imported key could not be upgraded to our digest',
    remedy: 'The key works; its next use tries again.',
    fields: {},
  },
  'keys.row_damaged': {
    level: 'error',
    sentence:
      'a row of `modelward.db`, or of the database’s keys, is not the one that was written: the disk or another program changed it',
    remedy:
      'Said once for each row. What needs the row answers 503 `store_unavailable`; nothing of it is believed. `modelward doctor` names every such row of a data folder. Restore a backup, or make the owner of the key a new one.',
    fields: {
      row: 'which row: `key` and its id, `digest` and the beginning of an imported key’s digest, `owner` and its name, `answer`, or `changes`; `changes sum`: which row is missing, or was put back as it was before, is not known, and no key is given',
    },
  },
  'keys.uses_not_written': {
    level: 'warn',
    sentence: 'when keys were used last cannot be written',
    remedy:
      'No request waits for it. `last_used_at` of keys stays behind until `keys.uses_written`; the next minute tries again. The key store or the ledger is out: see their own events.',
    fields: {},
  },
  'keys.uses_written': {
    level: 'info',
    sentence: 'when keys were used last is written again',
    remedy: 'Nothing to do.',
    fields: {},
  },
  ...limiterEvents,
  'ledger.unreachable': {
    level: 'error',
    sentence: 'the ledger cannot be written',
    remedy:
      'Every guarded request answers 503 `ledger_unavailable` until `ledger.back`. Free disk space, release the lock, or see why the disk does not answer; in a fleet, look at PostgreSQL.',
    fields: {},
  },
  'ledger.back': {
    level: 'info',
    sentence: 'the ledger is written again',
    remedy: 'Nothing to do.',
    fields: {},
  },
  'ledger.not_closed': {
    level: 'error',
    sentence: 'the ledger could not be closed: the disk does not answer, or an error came',
    remedy:
      'Its stream has no end. The records counted here may be missing: their requests answered 503 `ledger_unavailable`. `modelward ledger verify` shows how far the stream goes.',
    fields: { records: 'records since the last commit that the disk has answered' },
  },
  'ledger.record_lost': {
    level: 'error',
    sentence: 'a record could not be written',
    remedy:
      'Its request was aborted, or answers do not wait for records (`ledgerMode: after`). See `ledger.unreachable`.',
    fields: {},
  },
  'ledger.summary_late': {
    level: 'warn',
    sentence: 'a summary of refused requests could not be written yet',
    remedy: 'It is added to the next summary.',
    fields: { requests: 'refused requests that it counts' },
  },
  'ledger.sink_failed': {
    level: 'error',
    sentence: 'a sink of the ledger failed',
    remedy: 'The record itself is durable; mend the sink.',
    fields: {},
  },
  'ledger.thread_restarted': {
    level: 'warn',
    sentence: 'a thread of the ledger ended and is started again',
    remedy: 'Requests in between answer 503 `ledger_unavailable`. Report it if it happens again.',
    fields: { thread: 'which thread' },
  },
  'ledger.unclean_start': {
    level: 'info',
    sentence: 'streams of the ledger were not closed: their processes were killed, or are still running',
    remedy: 'Nothing is lost. `modelward ledger verify` shows how far each stream goes.',
    fields: { streams: 'their ids' },
  },
  'ledger.signing_key_new': {
    level: 'warn',
    sentence: 'there was no signing key: a new one signs checkpoints from now on',
    remedy:
      'Expected at the first start. Otherwise restore the old key, or give its public key to `ledger verify`.',
    fields: { public_key: 'the new public key' },
  },
  'ledger.checkpoint_failed': {
    level: 'error',
    sentence: 'a checkpoint of the ledger could not be written',
    remedy: 'The next one covers the same records.',
    fields: {},
  },
  'ledger.maintenance_failed': {
    level: 'error',
    sentence: 'maintenance of the ledger failed: index, retention or log size',
    remedy:
      'Records are still written. It is tried again every second, and reported again when the cause changes.',
    fields: {},
  },
  'ledger.log_held': {
    level: 'warn',
    sentence:
      'the write-ahead log of the ledger is more than twice as large as it should be: another program reads the file and does not end',
    remedy: 'Find it with `lsof ledger.db` and end it; the log shrinks within seconds.',
    fields: { bytes: 'its size' },
  },
  'ledger.clock_jumped': {
    level: 'warn',
    sentence:
      'the clock jumped ahead: retention drops nothing for that unless the clock stays there for a day',
    remedy: 'Check the time source of the machine.',
    fields: { seconds: 'how far' },
  },
  'disk.low': {
    level: 'warn',
    sentence: 'the disk is filling: its reserve is touched',
    remedy:
      'New jobs and new idempotency keys answer 503 `overloaded`, and jobs wait once half of the reserve is gone; predictions, records and changes of keys go on. Free space, or cancel jobs. Ends with `disk.back`.',
    fields: { free_bytes: 'bytes that are free' },
  },
  'disk.full': {
    level: 'error',
    sentence: 'the disk is full: the file `ballast` was given up, and expired jobs are deleted',
    remedy:
      'Records and changes of keys, revocations among them, go on in what the file held, an eighth of the reserve. Free space now. The file is made again when there is room.',
    fields: { free_bytes: 'bytes that were free' },
  },
  'disk.back': {
    level: 'info',
    sentence: 'the disk has room again',
    remedy: 'Nothing to do.',
    fields: { free_bytes: 'bytes that are free' },
  },
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
    fields: {},
  },
  'jobs.hints_heard': {
    level: 'info',
    sentence: 'this node hears again what other nodes do with jobs',
    remedy: 'Nothing to do.',
    fields: {},
  },
  'jobs.unclaimable': {
    level: 'error',
    sentence: 'the worker cannot claim jobs',
    remedy: 'Jobs wait until the store answers.',
    fields: {},
  },
  'jobs.leases_not_renewed': {
    level: 'error',
    sentence: 'the leases of running jobs cannot be renewed',
    remedy: 'Once a lease ends, another worker runs the job again, and this one’s result is refused.',
    fields: {},
  },
  'jobs.sweep_failed': {
    level: 'error',
    sentence: 'a periodic task of the job service failed',
    remedy: 'It is tried again at its next turn.',
    fields: { task: 'which task' },
  },
  'jobs.ends_unknown': {
    level: 'error',
    sentence: 'it could not be found out whether all ended jobs are recorded',
    remedy: 'The next start looks again.',
    fields: {},
  },
  'job.attempt_failed': {
    level: 'error',
    sentence: 'an attempt at a job failed',
    remedy: 'It is tried again after a delay, and is `dead` after its last attempt.',
    fields: { job: 'its id', attempt: 'which attempt, from 1' },
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
    fields: { job: 'its id' },
  },
  'job.not_ended': {
    level: 'error',
    sentence: 'the end of a job could not be stored',
    remedy: 'The worker renews the lease and tries again until the store answers, or the lease is lost.',
    fields: { job: 'its id' },
  },
  'job.not_recorded': {
    level: 'error',
    sentence: 'the end of a job could not be recorded',
    remedy: 'The next start records it, marked `late`.',
    fields: { job: 'its id' },
  },
  'job.not_cancelled': {
    level: 'error',
    sentence: 'a job was answered with a fault, and could not be cancelled',
    remedy: 'It may run although its client saw a 503. Cancel it with `modelward jobs cancel`.',
    fields: { job: 'its id' },
  },
  'job.handback_failed': {
    level: 'error',
    sentence: 'a job could not be handed back, and waits for its lease to end',
    remedy: 'Nothing to do: another worker takes it then.',
    fields: { job: 'its id' },
  },
  'webhook.secret_unreadable': {
    level: 'error',
    sentence: 'a webhook secret could not be opened',
    remedy: 'It was sealed under another pepper. Restore the pepper, or make a new secret.',
    fields: {},
  },
  'webhook.outbox_unreadable': {
    level: 'error',
    sentence: 'webhooks that are due cannot be read',
    remedy: 'They wait until the store answers.',
    fields: {},
  },
  'webhook.not_settled': {
    level: 'error',
    sentence: 'the outcome of a webhook could not be stored',
    remedy: 'It is sent again once its lease ends; receivers deduplicate by `webhook-id`.',
    fields: {},
  },
  'webhook.not_recorded': {
    level: 'error',
    sentence: 'the end of a webhook could not be recorded',
    remedy: 'The delivery itself is stored. See `ledger.unreachable`.',
    fields: {},
  },
  'idempotency.release_failed': {
    level: 'error',
    sentence: 'an Idempotency-Key could not be released',
    remedy: 'Repeated requests answer 409 until its lease ends.',
    fields: {},
  },
  ...fleetEvents,
  ...modelEvents,
}
