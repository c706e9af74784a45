import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { JobRecord } from '../job.ts'

/** Tells of a job that has just ended, if every attempt at it has failed. */
export function reportDead({ id, status, attempts, error }: JobRecord, telemetry: Telemetry): void {
  if (status !== 'dead') return
  telemetry.event('job.dead', { job: id, attempts, code: error?.code ?? 'internal' })
}
