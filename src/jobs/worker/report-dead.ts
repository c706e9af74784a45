import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { JobRecord } from '../job.ts'
import { readOrigin } from '../job-origin.ts'

/** Tells of a job that has just ended, if every attempt at it has failed. */
export function reportDead(
  { id, status, attempts, error, requestId }: JobRecord,
  telemetry: Telemetry,
): void {
  if (status !== 'dead') return
  const fields = { job: id, attempts, code: error?.code ?? 'internal' }
  telemetry.event('job.dead', fields, undefined, readOrigin(requestId))
}
