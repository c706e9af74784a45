import type { Clock } from '../../core/time.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'

const minuteMs = 60_000

/**
 * Tells of records that retention has dropped, which it does each second: of the first at once,
 * then once a minute how many.
 *
 * @returns what each turn of maintenance calls, with how many it has recorded as dropped
 */
export function createDroppedReport(
  telemetry: Telemetry | undefined,
  monotonic: Clock,
): (records?: number) => void {
  let untold = 0
  let toldAt = Number.NEGATIVE_INFINITY
  return (records = 0) => {
    untold += records
    if (untold === 0 || monotonic() - toldAt < minuteMs) return
    telemetry?.event('ledger.dropped', { records: untold })
    toldAt = monotonic()
    untold = 0
  }
}
