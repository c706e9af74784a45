import { randomBytes } from 'node:crypto'
import { drawBase62 } from '../../../core/base62.ts'
import type { StoredBytesBounds, StoredBytesFull } from '../../../idempotency/stored-bytes.ts'
import { hasEnded, type JobRecord, withoutResult } from '../../../jobs/job.ts'
import { needsInputs } from '../../../jobs/transitions.ts'
import type { RowMacs } from '../../../secrets/row-macs.ts'
import type { CallOutcome } from '../../group-commit/call-queue.ts'
import { rowBytes } from '../../job-row-bytes.ts'
import { hashWith, macedDelivery } from '../../job-row-macs.ts'
import type { EncodedAnswers } from './encode-answers.ts'
import type { JobParts } from './job-parts.ts'
import { errorText, macOfJob, type StoredJob } from './job-row.ts'
import { createStatementQueue, outageOf } from './statement-queue.ts'
import { byteaText, createTextPack } from './text-pack.ts'

/** What a job is to become, if it still stands as it did when this was decided. */
export interface PlannedChange {
  readonly from: StoredJob
  readonly job: JobRecord
  /** Of a job that keeps running. */
  readonly lease: string | null
  /** When it becomes ready by itself; null for at once, or for never where it has ended. */
  readonly dueAt: number | null
  readonly added?: EncodedAnswers
  readonly dropsAnswers?: boolean
  /** Only if it was due by then. */
  readonly ifDueBy?: number
  /** How far what is added may go. @default no bound */
  readonly bounds?: StoredBytesBounds
}

/** `stale`: the job stands otherwise by now, and nothing was changed. */
export type ChangeOutcome = { readonly outcome: 'stale' | StoredBytesFull } | { readonly changed: StoredJob }

/** Writes changes: those that come while others are written share a statement and a commit. */
export interface ChangeQueue {
  readonly change: (planned: PlannedChange) => Promise<ChangeOutcome>
  readonly settled: () => Promise<void>
}

export function createChangeQueue(parts: JobParts): ChangeQueue {
  async function send(group: readonly PlannedChange[]): Promise<readonly CallOutcome<ChangeOutcome>[]> {
    const outcomes = new Map<PlannedChange, CallOutcome<ChangeOutcome>>()
    let waiting = group
    while (waiting.length > 0) {
      const now = takeTogether(waiting)
      waiting = waiting.filter((planned) => !now.includes(planned))
      const written = await write(parts, now)
      for (const [planned, outcome] of written) outcomes.set(planned, outcome)
      const outage = outageOf(written.values())
      // None of the others is asked for the same: each would wait as long.
      if (outage !== undefined) return group.map((planned) => outcomes.get(planned) ?? outage)
    }
    return group.map((planned) => outcomes.get(planned) ?? { value: { outcome: 'stale' } })
  }

  const queue = createStatementQueue({
    name: parts.postgres.name,
    send,
    weigh: ({ added }: PlannedChange) => 1 + Math.floor((added?.packedBytes ?? 0) / 1_024),
  })
  return { change: queue.add, settled: queue.settled }
}

/** Those that one statement takes: of each job the first, and of one pair of bounds. */
function takeTogether(waiting: readonly PlannedChange[]): readonly PlannedChange[] {
  const places = new Set<number>()
  const bounds = waiting[0]?.bounds
  return waiting.filter((planned) => {
    const isOther =
      planned.bounds?.bytesMax !== bounds?.bytesMax || planned.bounds?.ownerBytesMax !== bounds?.ownerBytesMax
    if (isOther || places.has(planned.from.place)) return false
    places.add(planned.from.place)
    return true
  })
}

type Outcomes = Map<PlannedChange, CallOutcome<ChangeOutcome>>

async function write(parts: JobParts, changes: readonly PlannedChange[]): Promise<Outcomes> {
  const written = await writeOrFail(parts, changes)
  if (changes.length === 1) return written
  // Together they find no room: each alone may.
  const full = changes.filter((planned) => isFull(written.get(planned)))
  let outage: { readonly failure: unknown } | undefined
  for (const planned of full) {
    const alone: Outcomes = outage === undefined ? await writeOrFail(parts, [planned]) : new Map()
    written.set(planned, alone.get(planned) ?? outage ?? { value: { outcome: 'stale' } })
    outage ??= outageOf(alone.values())
  }
  return written
}

function isFull(outcome: CallOutcome<ChangeOutcome> | undefined): boolean {
  if (outcome === undefined || 'failure' in outcome) return false
  return 'outcome' in outcome.value && outcome.value.outcome !== 'stale'
}

async function writeOrFail(parts: JobParts, changes: readonly PlannedChange[]): Promise<Outcomes> {
  try {
    return new Map([...(await writeOnce(parts, changes))].map(([planned, value]) => [planned, { value }]))
  } catch (failure) {
    return new Map(changes.map((planned) => [planned, { failure }]))
  }
}

async function writeOnce(
  { postgres, macs, notify, known }: JobParts,
  changes: readonly PlannedChange[],
): Promise<Map<PlannedChange, ChangeOutcome>> {
  const { query, schema } = postgres
  const changed = changes.map(changedOf)
  const pack = createTextPack()
  const answers = changes.flatMap(({ added }, number) =>
    (added?.pieces ?? []).map(({ from, piece, bytes }) => ({
      number,
      from_input: from,
      piece,
      ...pack.add(bytes),
    })),
  )
  const bounds = changes[0]?.bounds
  const rows = await query<{ readonly number: number; readonly outcome: StoredBytesFull | null }>(
    `SELECT * FROM ${schema}.change_jobs($1::json, $2::json, $3::bytea, $4::bigint, $5::bigint)`,
    [
      JSON.stringify(
        changes.map((planned, number) => rowOf(macs, planned, changed[number] as StoredJob, number)),
      ),
      answers.length > 0 ? JSON.stringify(answers) : null,
      answers.length > 0 ? pack.bytes() : null,
      aQuarterBeyond(bounds?.bytesMax),
      aQuarterBeyond(bounds?.ownerBytesMax),
    ],
  )
  const outcomes = new Map<PlannedChange, ChangeOutcome>(
    changes.map((planned) => [planned, { outcome: 'stale' }]),
  )
  const noted: PlannedChange[] = []
  for (const { number, outcome } of rows) {
    const planned = changes[number]
    const now = changed[number]
    if (planned === undefined || now === undefined) continue
    outcomes.set(planned, outcome === null ? { changed: now } : { outcome })
    if (outcome !== null) continue
    if (planned.from.lease !== null) known.forget(planned.from.lease)
    known.note(now)
    if (planned.job.version !== planned.from.job.version) noted.push(planned)
  }
  if (noted.length > 0)
    notify({ jobs: noted.map(({ job }) => withoutResult(job)), isDue: noted.some(isReady) })
  return outcomes
}

/** The job was accepted, so its answers may go further: what came last could not end else. */
function aQuarterBeyond(max: number | undefined): number {
  return Math.min(Math.floor(1.25 * (max ?? Number.MAX_SAFE_INTEGER)), Number.MAX_SAFE_INTEGER)
}

function isReady({ job, lease, dueAt }: PlannedChange): boolean {
  return !hasEnded(job.status) && lease === null && dueAt === null
}

/** The row as it is once the change is written. */
function changedOf({ from, job, lease, added, dropsAnswers = false }: PlannedChange): StoredJob {
  const inputs = needsInputs(job.status) ? from.bytes - from.answerBytes : rowBytes
  const answerBytes = (dropsAnswers ? 0 : from.answerBytes) + (added?.bytes ?? 0)
  const answerValues = (dropsAnswers ? 0 : from.answerValues) + (added?.values ?? 0)
  const answersHash = hashWith(dropsAnswers ? null : from.answersHash, added?.hashes ?? [])
  return { ...from, job, lease, bytes: inputs + answerBytes, answerBytes, answerValues, answersHash }
}

function rowOf(macs: RowMacs, planned: PlannedChange, changed: StoredJob, number: number): object {
  const { from, job, lease, dueAt, added, dropsAnswers = false, ifDueBy = null } = planned
  const { status, version, done, errors, attempts } = job
  return {
    ...{ number, place: from.place, owner: job.owner, model: job.model },
    ...{ if_version: from.job.version, if_held_by: from.lease, if_due_by: ifDueBy },
    ...{ status, version, done, errors, attempts },
    error: errorText(job),
    ...{ started_at: job.startedAt, finished_at: job.finishedAt, expires_at: job.expiresAt },
    ...{ held_by: lease, is_ready: isReady(planned), due_at: dueAt },
    ...{ bytes: changed.bytes, answer_bytes: changed.answerBytes, answer_values: changed.answerValues },
    more_jobs: Number(!hasEnded(status)) - Number(!hasEnded(from.job.status)),
    more_bytes: changed.bytes - from.bytes,
    has_answers: added !== undefined && added.pieces.length + added.ahead.length > 0,
    answers_ahead: added?.ahead ?? [],
    drops_answers: dropsAnswers,
    drops_inputs: !needsInputs(status),
    answers_hash: changed.answersHash && byteaText(changed.answersHash),
    mac: byteaText(macOfJob(macs, changed)),
    ...deliveryOf(macs, job),
  }
}

/** The message about a job that has ended, if it names a webhook. */
function deliveryOf(macs: RowMacs, job: JobRecord): object {
  const { webhook: url, finishedAt: createdAt, owner } = job
  if (url === null || createdAt === null) return {}
  const message = JSON.stringify(withoutResult(job))
  const id = `msg_${drawBase62(22, randomBytes)}`
  const mac = macs.of(...macedDelivery({ id, jobId: job.id, owner, url, job: message, createdAt }))
  return {
    delivery_id: id,
    delivery_url: url,
    delivery_job: message,
    delivery_bytes: rowBytes + Buffer.byteLength(message) + Buffer.byteLength(url),
    delivery_at: createdAt,
    delivery_mac: byteaText(mac),
  }
}
