import type { Clock } from '../core/time.ts'
import { boundMeasures } from '../ledger/format/bound-measures.ts'
import { type LedgerEntry, ledgerEntry } from '../ledger/format/record.ts'
import { type EntryWriter, ledgerFault } from '../ledger/write/entry-writer.ts'
import type { Measures } from '../telemetry/measures.ts'
import type { TraceContext } from '../telemetry/trace-context.ts'
import type { JobRecord, NewJob } from './job.ts'
import { readOrigin } from './job-origin.ts'
import type { JobChanger } from './job-service.ts'

/** What is recorded of jobs: never inputs, results or keys. */
export interface JobRecords extends Pick<EntryWriter, 'ensureWritable'> {
  /** `again` where a repeated request was given the same job. */
  readonly accepted: (
    job: NewJob | JobRecord,
    again?: { readonly repeated: true },
  ) => Promise<void> | undefined
  /** @param under the span of the attempt, where it is traced */
  readonly started: (job: JobRecord, under?: TraceContext) => Promise<void> | undefined
  /** An attempt that ended, as the job stands after it. */
  readonly ended: (job: JobRecord, attempt: EndedAttempt, late?: LateRecord) => Promise<void> | undefined
  readonly cancelled: (job: JobRecord, changer: JobChanger, late?: LateRecord) => Promise<void> | undefined
  readonly retried: (job: JobRecord, changer: JobChanger) => Promise<void> | undefined
}

/** Written by a later process, because the one that ended the job did not live to. */
export interface LateRecord {
  readonly late: true
}

export interface EndedAttempt {
  /**
   * Why it did not succeed, where the job is tried again and so says nothing of it.
   * @default the job's own error
   */
  readonly code?: string | null
  /** From its beginning to its end, in microseconds; null if unknown. */
  readonly latencyUs: number | null
  /** What the job and its request have used of limits; empty where that is not known. */
  readonly measures: Readonly<Record<string, number>>
  /** Its span, where it is traced. */
  readonly under?: TraceContext | undefined
}

/**
 * Every write resolves once the record is durable, and rejects with `ledger_unavailable`; undefined
 * if there is nothing to wait for.
 *
 * @param measures gets what each record measures, once it is durable
 */
export function createJobRecords(
  writer: EntryWriter,
  clock: Clock,
  measures: Pick<Measures, 'used'>,
): JobRecords {
  function write(
    event: LedgerEntry['event'],
    job: NewJob | JobRecord,
    more: Partial<LedgerEntry> = {},
    under?: TraceContext,
  ): Promise<void> | undefined {
    if (!writer.isOn) return undefined
    const { id, keyId, owner, model } = job
    const { requestId } = readOrigin(job.requestId)
    const detail = { job: id, model, ...more.detail }
    return writer
      .write(ledgerEntry({ at: clock(), event, keyId, owner, requestId, ...more, detail }), under)
      ?.catch((thrown: unknown) => {
        throw ledgerFault(thrown)
      })
  }

  function change(
    event: LedgerEntry['event'],
    job: JobRecord,
    { by, requestId }: JobChanger,
    late?: LateRecord,
  ): Promise<void> | undefined {
    return write(event, job, { requestId: requestId ?? null, detail: { by: by ?? null, ...late } })
  }

  return {
    ensureWritable: writer.ensureWritable,
    accepted: (job, again) =>
      write('job.accepted', job, { detail: { inputs: job.total, kind: job.kind, ...again } }),
    started(job, under) {
      const detail = { attempt: job.attempts, ...(job.done > 0 && { from: job.done }) }
      return write('job.started', job, { detail }, under)
    },
    ended(job, { code = job.error?.code ?? null, latencyUs, measures: used, under }, late) {
      // The request that submitted the job has a record of its own, which counts it.
      const { requests: _, ...ofJob } = used
      const isFinished = job.status === 'succeeded'
      const outcome = job.status === 'queued' ? 'retry' : job.status
      const detail = {
        attempt: job.attempts,
        ...(!isFinished && { outcome }),
        ...(job.errors > 0 && { errors: job.errors }),
        ...late,
      }
      const counted = boundMeasures(ofJob)
      const event = isFinished ? 'job.finished' : 'job.failed'
      const writing = write(event, job, { code, latencyUs, measures: counted, detail }, under)
      const measure = (): void => {
        for (const [name, amount] of Object.entries(counted)) measures.used(name, job.model, amount)
      }
      if (writing !== undefined) return writing.then(measure)
      measure()
      return undefined
    },
    cancelled: (job, changer, late) => change('job.cancelled', job, changer, late),
    retried: (job, changer) => change('job.retried', job, changer),
  }
}
