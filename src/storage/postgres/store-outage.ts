import type { Scheduler } from '../../core/scheduler.ts'
import { createOutageReport, type OutageReport } from '../../telemetry/outage-report.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'

/** Gets what came of each statement, of all pools of a deployment. */
export type StoreReport = Pick<OutageReport, 'failed' | 'passed'>

/** Whether the database as a whole can be used, told once for all that need it. */
export interface StoreOutage extends StoreReport {
  /** From now on it is told; before, what fails is the opening itself. */
  readonly begin: () => void
  /** Tells no more. */
  readonly stop: () => void
}

/**
 * Milliseconds without a failure until the database is back: while it goes down, comes up, or has
 * no room, some statements succeed beside others that fail. It is asked each second at least.
 */
const calmMs = 2_000

export function createStoreOutage(telemetry: Telemetry, scheduler: Scheduler): StoreOutage {
  const outage = createOutageReport('store.unreachable', telemetry, {
    ...{ scheduler, calmMs },
    begin: () => ({ store: 'PostgreSQL' }),
    end: () => ({ store: 'PostgreSQL' }),
  })
  let isTold = false
  return {
    failed(cause) {
      if (isTold) outage.failed(cause)
    },
    passed() {
      if (isTold) outage.passed()
    },
    begin() {
      isTold = true
    },
    stop() {
      isTold = false
      outage.stop()
    },
  }
}
