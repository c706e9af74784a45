import type { Retries } from '../../core/retries.ts'
import type { EventOrigin, Telemetry } from '../../telemetry/telemetry.ts'

/** A request that has reserved something. */
export interface ReservingRequest {
  readonly origin: EventOrigin
  readonly deps: { readonly telemetry: Telemetry; readonly retries: Retries }
}

/**
 * Puts what a request really used in the place of what it reserved, now or, while the limiter is
 * out, when it is back: what was reserved stays counted until then, as long as the process lives.
 * Never rejects.
 *
 * @returns whether it is settled now
 */
export async function settleWhenBack(
  { origin, deps: { telemetry, retries } }: ReservingRequest,
  settle: () => Promise<void>,
): Promise<boolean> {
  const tell = (fault: unknown): void => telemetry.event('limiter.settle_failed', {}, fault, origin)
  try {
    await settle()
    return true
  } catch (fault) {
    tell(fault)
    retries.add(settle, fault, tell)
    return false
  }
}
