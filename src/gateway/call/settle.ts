import type { Exchange } from '../../guard/exchange.ts'
import type { Costs } from '../../limits/costs.ts'
import type { CallDeps } from './call-deps.ts'

/**
 * Puts what a call really used in the place of its reservation. While the limiter is out the
 * reservation stays counted, and is settled when it is back, as long as the process lives.
 */
export async function settle(
  { telemetry, retries }: Pick<CallDeps, 'telemetry' | 'retries'>,
  { usage, origin }: Pick<Exchange, 'usage' | 'origin'>,
  costs: Costs,
): Promise<void> {
  const tell = (fault: unknown): void => telemetry.event('limiter.settle_failed', {}, fault, origin)
  try {
    await usage.settle(costs)
  } catch (thrown) {
    tell(thrown)
    retries.add(async () => usage.settle(costs), thrown, tell)
  }
}
