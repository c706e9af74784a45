import type { LedgerEvent } from '../ledger/format/event.ts'
import type { LedgerRecord } from '../ledger/format/record.ts'
import type { LedgerReader } from '../ledger/ledger.ts'
import type { JobRecord } from './job.ts'
import { lateChargeOf } from './job-charges.ts'
import type { JobQueue } from './job-queue.ts'
import type { JobRecords } from './job-records.ts'

export interface RecordEndsOptions {
  readonly store: Pick<JobQueue, 'listEnded'>
  readonly ledger: Pick<LedgerReader, 'query'>
  readonly records: Pick<JobRecords, 'ended' | 'cancelled'>
  /**
   * When this process began, milliseconds since the epoch: an end since then is recorded by the
   * process that committed it.
   */
  readonly begunAt: number
}

/**
 * How far behind the newest end of a job there may be one without a record, in milliseconds: an end
 * is recorded right behind its commit, and a worker waits for a ledger that is out before it
 * commits one.
 */
const gapMs = 60_000
const pageMax = 1_000

/**
 * Records the ends of jobs that a process committed and did not live to record. The end comes
 * first, because a record of one that was lost with its lease would be a lie; so a `kill -9` may
 * come between the two. Such a record says `late`, for its time is not that of the end. Where
 * several processes begin at once over the same jobs, each may write it. Gives how many there were.
 */
export async function recordEnds(options: RecordEndsOptions): Promise<number> {
  const ends = await lastEnds(options)
  const oldest = ends.at(-1)?.finishedAt ?? null
  if (oldest === null) return 0
  const recorded = await recordedEnds(options, oldest)
  // A record that is older than the end is of an end before it, after which the job was retried.
  const missing = ends.filter(
    (job) => (recorded.get(nameOf(job.id, eventOf(job))) ?? Number.NEGATIVE_INFINITY) < (job.finishedAt ?? 0),
  )
  for (const job of missing.toReversed()) {
    const charge = lateChargeOf(job)
    if (job.status === 'cancelled') await options.records.cancelled(job, {}, charge, { late: true })
    else await options.records.ended(job, { latencyUs: null, measures: {}, charge }, { late: true })
  }
  return missing.length
}

/** The newest end first, of the time in which one may have no record. */
async function lastEnds({ store, begunAt }: RecordEndsOptions): Promise<readonly JobRecord[]> {
  const ends: JobRecord[] = []
  let newest: number | undefined
  for (let after: { finishedAt: number; id: string } | undefined; ; ) {
    const page = await store.listEnded({ limit: pageMax, after })
    for (const job of page) {
      const { id, finishedAt } = job
      if (finishedAt === null) continue
      after = { finishedAt, id }
      if (finishedAt >= begunAt) continue
      newest ??= finishedAt
      if (finishedAt < newest - gapMs) return ends
      ends.push(job)
    }
    if (page.length < pageMax) return ends
  }
}

async function recordedEnds(
  { ledger }: RecordEndsOptions,
  since: number,
): Promise<ReadonlyMap<string, number>> {
  /** The time of the last one. */
  const recorded = new Map<string, number>()
  for (const event of ['job.finished', 'job.failed', 'job.cancelled'] as const) {
    for (let after: string | undefined; ; ) {
      const page = await ledger.query({
        event,
        since,
        limit: pageMax,
        order: 'oldest',
        after,
      })
      for (const record of page.records)
        if (isEnd(record)) recorded.set(nameOf(jobOf(record), event), record.at)
      after = page.next
      if (page.records.length < pageMax || after === undefined) break
    }
  }
  return recorded
}

function isEnd({ detail }: LedgerRecord): boolean {
  return outcomeOf(detail) !== 'retry'
}

function outcomeOf(detail: LedgerRecord['detail']): unknown {
  return detail === null ? undefined : Object.entries(detail).find(([name]) => name === 'outcome')?.[1]
}

function jobOf({ detail }: LedgerRecord): string {
  return String(Object.entries(detail ?? {}).find(([name]) => name === 'job')?.[1])
}

function eventOf({ status }: JobRecord): LedgerEvent {
  if (status === 'succeeded') return 'job.finished'
  return status === 'cancelled' ? 'job.cancelled' : 'job.failed'
}

function nameOf(job: string, event: LedgerEvent): string {
  return `${event} ${job}`
}
