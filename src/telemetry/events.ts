import { type EventName, type EventRow, outageFields } from './event-row.ts'
import { fleetEvents } from './fleet-events.ts'
import { jobEvents } from './job-events.ts'
import { limiterEvents } from './limiter-events.ts'
import { modelEvents } from './model-events.ts'
import { serverEvents } from './server-events.ts'
import { storeEvents } from './store-events.ts'
import { upstreamEvents } from './upstream-events.ts'

/**
 * Every operational event. They are for the operator: a request's own fault is its answer and its
 * record. An outage is one event at its start, one each minute and one at its end, never one a
 * request.
 */
export const events: { readonly [Name in EventName]: EventRow<Name> } = {
  ...serverEvents,
  ...storeEvents,
  'keys.sync_failed': {
    level: 'error',
    sentence: 'the key store cannot be asked for changes',
    remedy:
      'Cached keys are valid until the lease ends, then 503 `store_unavailable`. Ends with `keys.sync_back`.',
    explainedBy: 'store.unreachable',
    fields: outageFields,
  },
  'keys.sync_back': {
    level: 'info',
    sentence: 'the key store answers again',
    remedy: 'Nothing to do.',
    fields: outageFields,
  },
  'keys.refresh_failed': {
    level: 'error',
    sentence: 'a key was changed, and the cache could not be refreshed at once',
    remedy:
      'The next poll refreshes it; until then the lease bounds how long the old state is used. It names no request: the change is durable, and is answered and recorded as ever, whether a request, an app or the command line made it.',
    explainedBy: 'store.unreachable',
    fields: {},
  },
  'keys.upgrade_failed': {
    level: 'error',
    sentence: 'an imported key could not be upgraded to our digest',
    remedy: 'The key works; its next use tries again.',
    isBrief: true,
    explainedBy: 'store.unreachable',
    isOfRequest: true,
    fields: { times: 'how many since the last such line' },
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
    explainedBy: 'store.unreachable',
    fields: outageFields,
  },
  'keys.uses_written': {
    level: 'info',
    sentence: 'when keys were used last is written again',
    remedy: 'Nothing to do.',
    fields: outageFields,
  },
  ...limiterEvents,
  'ledger.unreachable': {
    level: 'error',
    sentence: 'the ledger cannot be written',
    remedy:
      'Every guarded request answers 503 `ledger_unavailable` until `ledger.back`. Free disk space, release the lock, or see why the disk does not answer; in a fleet, look at PostgreSQL.',
    explainedBy: 'store.unreachable',
    fields: outageFields,
  },
  'ledger.back': {
    level: 'info',
    sentence: 'the ledger is written again',
    remedy: 'Nothing to do.',
    fields: outageFields,
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
    isBrief: true,
    isOfRequest: true,
    fields: { times: 'how many since the last such line' },
  },
  'ledger.summary_late': {
    level: 'warn',
    sentence: 'a summary of refused requests could not be written yet',
    remedy: 'It is added to the next summary.',
    explainedBy: 'store.unreachable',
    fields: { requests: 'refused requests that it counts' },
  },
  'ledger.sink_failed': {
    level: 'error',
    sentence: 'a sink of the ledger failed',
    remedy: 'The record itself is durable; mend the sink.',
    isBrief: true,
    isOfRequest: true,
    fields: { times: 'how many since the last such line' },
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
  'ledger.checkpoint': {
    level: 'info',
    sentence: 'a signed checkpoint says how far a stream of the ledger has come',
    remedy:
      'Nothing to do. Said each minute in which something was recorded, after 10,000 records and at the end, not of the opening alone; and not where `serve` prints the checkpoint itself on standard output: store that elsewhere, and a rewritten ledger is found out.',
    fields: { stream: 'which stream', seq: 'the number of its last record' },
  },
  'ledger.checkpoint_failed': {
    level: 'error',
    sentence: 'a checkpoint of the ledger could not be written',
    remedy: 'The next one covers the same records.',
    explainedBy: 'store.unreachable',
    fields: {},
  },
  'ledger.maintenance_failed': {
    level: 'error',
    sentence: 'maintenance of the ledger failed: index, retention or log size',
    remedy:
      'Records are still written. It is tried again every second, and reported again when the cause changes.',
    explainedBy: 'store.unreachable',
    fields: {},
  },
  'ledger.dropped': {
    level: 'info',
    sentence:
      'records were dropped by retention: they were older than `--ledger-keep`, or the ledger larger than `--ledger-max`',
    remedy:
      'Said once a minute at most; the ledger has a record of each time. Give more room where they are missed: what is gone is in backups alone.',
    fields: { records: 'how many since the last such line' },
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
    explainedBy: 'store.unreachable',
    fields: { free_bytes: 'bytes that are free' },
  },
  'disk.full': {
    level: 'error',
    sentence: 'the disk is full: the file `ballast` was given up, and expired jobs are deleted',
    remedy:
      'Records and changes of keys, revocations among them, go on in what the file held, an eighth of the reserve. Free space now. The file is made again when there is room.',
    explainedBy: 'store.unreachable',
    fields: { free_bytes: 'bytes that were free' },
  },
  'disk.back': {
    level: 'info',
    sentence: 'the disk has room again',
    remedy: 'Nothing to do.',
    fields: { free_bytes: 'bytes that are free' },
  },
  ...jobEvents,
  ...fleetEvents,
  ...modelEvents,
  ...upstreamEvents,
}
