import { every, type Scheduler } from '../../core/scheduler.ts'
import { endLeftCalls } from '../../gateway/restart/end-left-calls.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { OpenWard } from '../../ward/open-ward.ts'
import type { Ward } from '../../ward/ward.ts'
import type { ServerOptions } from '../server-options.ts'

export interface EndingCallsDeps extends Pick<OpenWard, 'storage'> {
  readonly ward: Pick<Ward, 'clock'>
  readonly scheduler: Scheduler
  readonly telemetry: Telemetry
}

/** What an upstream's `total` is unless it is set, in milliseconds. */
const totalDefaultMs = 3_600_000
/** Between two looks for nodes that are gone, in milliseconds. */
const lookMs = 60_000

/**
 * Ends the calls that processes which died have left, before a server with upstreams listens, and
 * in a fleet each minute. What cannot be found out stops no server. Gives what ends the looks. A
 * server without upstreams does not look: it may have millions of records of other requests to read
 * through before it listens. What was left then is ended by the next server that has upstreams.
 */
export async function endCallsLeft(
  { gateway, databaseUrl }: ServerOptions,
  { ward, storage, scheduler, telemetry }: EndingCallsDeps,
): Promise<() => Promise<void>> {
  if (gateway === undefined || storage.ledger === undefined) return async () => {}
  const ledger: Ledger = storage.ledger
  const { clock } = ward
  const totals = gateway.upstreams.map(({ timeouts }) => timeouts.totalMs)
  const totalMs = Math.max(totalDefaultMs, ...totals)

  async function end(): Promise<void> {
    try {
      const calls = await endLeftCalls({ ledger, clock, totalMs, releaseLeft: storage.jobs?.releaseLeft })
      if (calls > 0) telemetry.event('upstream.calls_left', { calls })
    } catch (fault) {
      telemetry.event('upstream.ends_unknown', {}, fault)
    }
  }

  let ending = end()
  await ending
  if (databaseUrl === undefined) return async () => {}
  let isEnding = false
  const stop = every(scheduler, lookMs, () => {
    if (isEnding) return
    isEnding = true
    ending = end().finally(() => {
      isEnding = false
    })
  })
  return async () => {
    stop()
    await ending
  }
}
