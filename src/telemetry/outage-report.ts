import type { Clock } from '../core/time.ts'
import type { Telemetry } from './telemetry.ts'

/** Outages by the event that begins them and is said again each minute; the other one ends them. */
export const outages = {
  'keys.sync_failed': 'keys.sync_back',
  'node.not_seen': 'node.seen',
  'limiter.unreachable': 'limiter.back',
  'limiter.not_persisted': 'limiter.persisted_again',
  'ledger.unreachable': 'ledger.back',
  'jobs.unclaimable': 'jobs.claimable',
  'jobs.leases_not_renewed': 'jobs.leases_renewed',
  'webhook.outbox_unreadable': 'webhook.outbox_readable',
} as const

export type OutageName = keyof typeof outages

/** Tells of one thing that may be out, however often it is tried meanwhile. */
export interface OutageReport {
  /** It could not be done. */
  readonly failed: (cause: unknown) => void
  /** It was done. */
  readonly passed: () => void
  readonly isOut: () => boolean
}

/** Between two lines about the same outage. */
const againMs = 60_000

/**
 * One event when an outage begins, one a minute for as long as it is met, one when it is over, each
 * with `since`. Has no timer: what is not tried is not known to be out.
 *
 * @param clock tells the minutes too: one that is set back brings a line early, never none
 */
export function createOutageReport(
  name: OutageName,
  telemetry: Telemetry | undefined,
  clock: Clock = Date.now,
): OutageReport {
  let out: { readonly since: string; toldAt: number } | undefined
  return {
    failed(cause) {
      const now = clock()
      if (out !== undefined && now >= out.toldAt && now - out.toldAt < againMs) return
      out ??= { since: new Date(now).toISOString(), toldAt: now }
      out.toldAt = now
      telemetry?.event(name, { since: out.since }, cause)
    },
    passed() {
      if (out === undefined) return
      const { since } = out
      out = undefined
      telemetry?.event(outages[name], { since })
    },
    isOut: () => out !== undefined,
  }
}
