import { createRetries } from '../core/retries.ts'
import type { Scheduler } from '../core/scheduler.ts'
import { isCountedForAll } from '../limits/fail-mode.ts'
import type { Limiter } from '../limits/limiter.ts'
import type { Costs } from '../limits/usage/costs.ts'
import { settleWhenBack } from '../limits/usage/settle-when-back.ts'
import type { TakenPart } from '../limits/usage/taken-part.ts'
import { TakenReservation } from '../limits/usage/taken-reservation.ts'
import type { EventOrigin, Telemetry } from '../telemetry/telemetry.ts'
import { hasEnded, type JobRecord, jobLost } from './job.ts'
import { type JobCall, readOrigin } from './job-origin.ts'

/** What a call of a model server is known to have used, and how its record says it. */
export interface JobUse {
  readonly costs: Costs
  readonly detail: Readonly<Record<string, string | number>>
}

/** What the end of a job is charged, in the place of what was reserved. */
export interface JobCharge extends JobUse {
  /** Empty where the reservation stays. */
  readonly taken: readonly TakenPart[]
}

/**
 * What a call of a model server is charged, as the job stands after an attempt; undefined for any
 * other job, and where it is tried again.
 *
 * @param used undefined where its answer is not known to have come
 */
export function chargeOf(job: JobRecord, used: JobUse | undefined): JobCharge | undefined {
  const { call } = readOrigin(job.requestId)
  if (call === undefined || !hasEnded(job.status)) return undefined
  if (used !== undefined) return { ...used, taken: call.taken }
  if (job.status === 'cancelled') return job.startedAt === null ? unused(call) : abandoned(call)
  // Its answer came to a process that has died, or each of its processes has.
  if (job.status === 'succeeded' || job.error?.code === jobLost.code) return reserved(call)
  return unused(call)
}

/** The same of an end that another process committed: what that has settled is not known. */
export function lateChargeOf(job: JobRecord): JobCharge | undefined {
  const { call } = readOrigin(job.requestId)
  return call && reserved(call)
}

function unused({ reserved: costs, taken }: JobCall): JobCharge {
  const none = Object.fromEntries(Object.keys(costs).map((measure) => [measure, 0]))
  return { costs: none, detail: { usage: 'none' }, taken }
}

function abandoned({ abandoned: costs, reserved: all, taken }: JobCall): JobCharge {
  const isAll = Object.entries(all).every(([measure, cost]) => costs[measure] === cost)
  return { costs, detail: { usage: isAll ? 'reserved' : 'estimated' }, taken }
}

function reserved({ reserved: costs }: JobCall): JobCharge {
  return { costs, detail: { usage: 'reserved' }, taken: [] }
}

export interface JobCharges {
  /** Whether this process can settle: where not, what was reserved is what is charged. */
  readonly mayCharge: boolean
  /**
   * Settles what a record has charged; while the limiter is out, when it is back. Called once for
   * each job, by the process that has committed its end. Never rejects.
   */
  readonly settle: (charge: JobCharge | undefined, of: EventOrigin) => Promise<void>
  /** Tries all that is left once more; what then is left stays as it was reserved. */
  readonly close: () => Promise<void>
}

/** @param limiter undefined in a process that counts nothing: reservations stay */
export function createJobCharges(
  limiter: Pick<Limiter, 'settle'> | undefined,
  scheduler: Scheduler,
  telemetry: Telemetry,
): JobCharges {
  const retries = createRetries(scheduler)
  return {
    mayCharge: limiter !== undefined,
    async settle(charge, origin) {
      if (charge === undefined || limiter === undefined) return
      const { costs } = charge
      const parts = charge.taken.filter(({ at }) => isCountedForAll(at))
      const reservation = new TakenReservation({ costs, parts, limiter })
      await settleWhenBack({ origin, deps: { telemetry, retries } }, () => reservation.settle(costs))
    },
    close: retries.close,
  }
}
