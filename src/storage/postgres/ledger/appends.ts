import { withinDeadline } from '../../../core/deadline.ts'
import { Fault } from '../../../core/fault.ts'
import type { Scheduler } from '../../../core/scheduler.ts'
import type { Clock } from '../../../core/time.ts'
import type { LedgerCheckpoint } from '../../../ledger/format/checkpoint.ts'
import type { Ledger } from '../../../ledger/ledger.ts'
import type { Telemetry } from '../../../telemetry/telemetry.ts'
import { createEntryQueue } from '../../group-commit/entry-queue.ts'
import { tellCheckpoints } from '../../ledger/tell-checkpoints.ts'
import { followBegunCalls } from './begun-calls.ts'
import { createCommits } from './commits.ts'
import { outFault } from './outage.ts'
import type { Committed, LedgerWriter } from './stream-writer.ts'

export interface LedgerAppendsOptions {
  readonly createWriter: (onClosedElsewhere: () => void) => LedgerWriter
  /** Whether an outage is watched until it ends; otherwise the next entry tries. */
  readonly heals: boolean
  /** Milliseconds since the epoch, whole. */
  readonly now: Clock
  /** Milliseconds, never jumps. */
  readonly monotonic: Clock
  readonly scheduler: Scheduler
  readonly onCheckpoint: ((checkpoint: LedgerCheckpoint) => void) | undefined
  readonly telemetry: Telemetry | undefined
  /** Called once a checkpoint is written. */
  readonly onCheckpointed: () => void
}

/** The writing side of a ledger: entries → group commit → PostgreSQL. */
export interface LedgerAppends extends Pick<Ledger, 'append' | 'checkpoint'> {
  /** Begins a stream, or has it begun later. @throws SetupError by rejecting */
  readonly open: () => Promise<void>
  /** Whether nothing can be recorded just now, as far as is known. */
  readonly isOut: () => boolean
  /** Commits, without a record. @throws Fault `ledger_unavailable`, by rejecting */
  readonly ensureWritable: () => Promise<void>
  /** Whether something was recorded since the last checkpoint. */
  readonly isCheckpointDue: () => boolean
  readonly pending: () => number
  /** Ends the stream behind the entries appended so far. */
  readonly close: () => Promise<void>
}

/** Most entries that wait; some ten megabytes. */
const entriesMax = 65_536
/** Bytes of one commit, and with it of one statement: then another begins. */
const commitBytesMax = 2 * 2 ** 20
/** Milliseconds that a try may take. */
const ensureWritableMs = 1_000

/** Appends entries, each durable or refused within two seconds. */
export function createLedgerAppends(options: LedgerAppendsOptions): LedgerAppends {
  const { now, monotonic, scheduler, telemetry } = options
  const writer = options.createWriter(() => {
    if (calls.endedElsewhere()) sending.closedElsewhere(queue.pending())
  })
  const tellCheckpoint = tellCheckpoints(options)
  let isOpen = true
  /** Entries since the last commit that was answered. */
  let unwritten = 0
  let isCheckpointDue = false
  let trying: Promise<void> | undefined

  function report({ seq, checkpoints, unclosed }: Committed): void {
    unwritten = 0
    if (unclosed.length > 0) telemetry?.event('ledger.unclean_start', { streams: unclosed })
    for (const checkpoint of checkpoints) tellCheckpoint(checkpoint)
    if (checkpoints.length > 0) options.onCheckpointed()
    // The record of a checkpoint itself needs no other.
    isCheckpointDue = seq > (checkpoints.at(-1)?.seq ?? seq) + 1 || checkpoints.length === 0
  }

  const commits = createCommits({ ...options, writer, report })
  const sending = countEntries()
  const queue = createEntryQueue({
    send(entries, count, since) {
      unwritten += count
      return sending.send(count, (isLate) =>
        commits.commit(since, () => writer.write(entries, now(), isLate)),
      )
    },
    entriesMax,
    commitBytesMax,
    monotonic,
    measures: telemetry?.measures,
  })
  const calls = followBegunCalls(queue.append)
  return {
    append: calls.append,
    open: commits.open,
    async checkpoint() {
      if (!isOpen) throw new Fault('ledger_unavailable', 'ledger: it is closed')
      const { checkpoints } = await commits.commit(monotonic(), () => writer.checkpoint(now()))
      const checkpoint = checkpoints.at(-1)
      if (checkpoint === undefined) throw new Fault('ledger_unavailable', 'ledger: no checkpoint was written')
      return checkpoint
    },
    isOut: commits.isOut,
    async ensureWritable() {
      if (commits.isOut()) throw outFault()
      // One at a time: while the server does not answer, each waits as long as a commit does.
      trying ??= commits.inTurn(writer.tryOut).finally(() => {
        trying = undefined
      })
      const name = 'PostgreSQL'
      const code = 'ledger_unavailable'
      await withinDeadline(trying, { name, code, deadlineMs: ensureWritableMs, scheduler })
    },
    isCheckpointDue: () => isCheckpointDue,
    pending: queue.pending,
    async close() {
      await queue.close()
      isOpen = false
      await commits
        .end()
        .catch((fault) => telemetry?.event('ledger.not_closed', { records: unwritten }, fault))
    },
  }
}

interface EntryCount {
  /** Sends so many entries; the next only once these have settled. */
  readonly send: (count: number, commit: (isLate: () => boolean) => Promise<unknown>) => Promise<void>
  /** Another node has closed the stream: so many entries were meant for it, and are late. */
  readonly closedElsewhere: (pending: number) => void
}

/** Counts entries, to know which had come before the stream turned out to be closed by another. */
function countEntries(): EntryCount {
  let sent = 0
  let settled = 0
  let lateTo = 0
  return {
    async send(count, commit) {
      const first = sent + 1
      sent += count
      try {
        await commit(() => first <= lateTo)
      } finally {
        settled = sent
      }
    },
    closedElsewhere(pending) {
      lateTo = settled + pending
    },
  }
}
