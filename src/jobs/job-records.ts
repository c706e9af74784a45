import type { Clock } from '../core/time.ts'
import { boundMeasures } from '../ledger/format/bound-measures.ts'
import { type LedgerEntry, ledgerEntry } from '../ledger/format/record.ts'
import { type EntryWriter, ledgerFault } from '../ledger/write/entry-writer.ts'
import type { Measures } from '../telemetry/measures.ts'
import type { TraceContext } from '../telemetry/trace-context.ts'
import type { JobRecord, NewJob } from './job.ts'
import type { JobCharge } from './job-charges.ts'
import { modelOf, readOrigin } from './job-origin.ts'
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
  readonly cancelled: (
    job: JobRecord,
    changer: JobChanger,
    charge?: JobCharge | undefined,
    late?: LateRecord,
  ) => Promise<void> | undefined
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
  /** Of a call of a model server, once it has ended. */
  readonly charge?: JobCharge | undefined
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
    const { id, keyId, owner } = job
    const { requestId } = readOrigin(job.requestId)
    const detail = { job: id, model: modelOf(job), ...more.detail }
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
    charge?: JobCharge,
    late?: LateRecord,
  ): Promise<void> | undefined {
    const detail = { by: by ?? null, ...charge?.detail, ...late }
    const counted = boundMeasures(charge?.costs ?? {})
    const writing = write(event, job, { requestId: requestId ?? null, measures: counted, detail })
    return measured(measures, writing, job, counted)
  }

  return {
    ensureWritable: writer.ensureWritable,
    accepted: (job, again) =>
      write('job.accepted', job, { detail: { inputs: job.total, kind: job.kind, ...again } }),
    started(job, under) {
      const detail = { attempt: job.attempts, ...(job.done > 0 && { from: job.done }) }
      return write('job.started', job, { detail }, under)
    },
    ended(job, { code = job.error?.code ?? null, latencyUs, measures: used, charge, under }, late) {
      // The request that submitted the job has a record of its own, which counts it.
      const { requests: _, ...ofJob } = used
      const isFinished = job.status === 'succeeded'
      const outcome = job.status === 'queued' ? 'retry' : job.status
      const detail = {
        attempt: job.attempts,
        ...(!isFinished && { outcome }),
        ...(job.errors > 0 && { errors: job.errors }),
        ...charge?.detail,
        ...late,
      }
      const counted = boundMeasures({ ...ofJob, ...charge?.costs })
      const event = isFinished ? 'job.finished' : 'job.failed'
      const writing = write(event, job, { code, latencyUs, measures: counted, detail }, under)
      return measured(measures, writing, job, counted)
    },
    cancelled: (job, changer, charge, late) => change('job.cancelled', job, changer, charge, late),
    retried: (job, changer) => change('job.retried', job, changer),
  }
}

/** Measures what a record says, once it is durable. */
function measured(
  measures: Pick<Measures, 'used'>,
  writing: Promise<void> | undefined,
  job: JobRecord,
  counted: Readonly<Record<string, number>>,
): Promise<void> | undefined {
  const measure = (): void => {
    for (const [name, amount] of Object.entries(counted)) measures.used(name, modelOf(job), amount)
  }
  if (writing !== undefined) return writing.then(measure)
  measure()
  return undefined
}
