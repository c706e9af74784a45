import { pause, type Scheduler } from '../../core/scheduler.ts'
import type { EpochStore } from '../../limits/epoch-store.ts'
import { createOutageReport } from '../../telemetry/outage-report.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { agreeOnEpoch, keysOf, type LimiterEpochValue, type ServerInfo } from './epoch.ts'
import { connectServer } from './find-server.ts'
import { describeRedisError } from './redis-error.ts'
import { loadRedisDriver, type RedisLine } from './redis-line.ts'
import type { RedisUrl } from './redis-url.ts'
import { watchEpoch } from './watch-epoch.ts'

/** Keeps a connection to Redis, and agrees on the epoch on each before anything is counted. */
export interface Link {
  /** Settles when the first connection has come about, or has failed: with why. */
  readonly first: Promise<unknown>
  /** Agrees on the epoch again, on the connection that there is. */
  readonly agreeAgain: (isDoubted: boolean) => void
  readonly close: () => Promise<void>
}

export interface LinkOptions {
  readonly url: RedisUrl
  readonly deployment: string
  readonly epochs: EpochStore
  readonly scheduler: Scheduler
  /** For what a caller waits for. */
  readonly awaited: Scheduler
  readonly telemetry: Telemetry
  readonly deadlineMs: number
  readonly steady: (() => number) | undefined
  /** Called where it can be counted from now on. */
  readonly onOpen: (line: RedisLine, epoch: LimiterEpochValue) => void
  /** Called where it cannot. */
  readonly onShut: (cause: unknown) => void
}

export function openLink(options: LinkOptions): Link {
  const { url, deployment, scheduler, awaited, deadlineMs, onShut } = options
  const ending = new AbortController()
  const first = Promise.withResolvers<unknown>()
  const report = createReport(options)
  const keeper = createEpochKeeper(options, report, () => first.resolve(undefined))
  let line: RedisLine | undefined

  async function keepConnected(): Promise<void> {
    const driver = await loadRedisDriver()
    const { epochKey } = keysOf(deployment)
    for (let failures = 0; !ending.signal.aborted; failures += 1) {
      let reason: unknown
      try {
        const server = { access: url, deadlineMs, scheduler: awaited }
        const opened = await connectServer(driver, url, epochKey, server)
        line = opened
        if (ending.signal.aborted) opened.destroy(ending.signal.reason)
        reason = await keeper.count(opened)
        failures = 0
      } catch (error) {
        reason = error
      }
      line?.destroy(reason)
      line = undefined
      if (ending.signal.aborted) break
      onShut(reason)
      report.lost(reason)
      first.resolve(reason)
      await pause(scheduler, backoffOf(failures), ending.signal).catch(() => {})
    }
  }

  const ended = keepConnected().catch((error: unknown) => first.resolve(error))
  return {
    first: first.promise,
    agreeAgain: keeper.agreeAgain,
    async close() {
      ending.abort(new Error('the limiter is closed'))
      line?.destroy(ending.signal.reason)
      await ended
      report.stop()
    },
  }
}

/** Agrees on an epoch as often as it is in doubt, and lets calls be counted in between. */
function createEpochKeeper(options: LinkOptions, report: Report, onFirst: () => void) {
  const { deployment, epochs, scheduler, onOpen, onShut } = options
  let epoch: LimiterEpochValue | undefined
  let doubt = Promise.withResolvers<string | undefined>()
  return {
    agreeAgain: (isDoubted: boolean): void => doubt.resolve(isDoubted ? epoch?.value : undefined),
    /** Resolves with the reason when the connection has ended. */
    async count(line: RedisLine): Promise<unknown> {
      let doubted: string | undefined
      for (;;) {
        const steady = options.steady?.()
        const agreed = await agreeOnEpoch(line, { deployment, epochs, scheduler, doubted, steady })
        report.agreed(agreed.epoch, epoch?.id, agreed.info)
        epoch = agreed.epoch
        doubt = Promise.withResolvers()
        const onDoubt = doubt.resolve
        const stopWatching = watchEpoch(line, agreed, { epochs, scheduler, onDoubt })
        onOpen(line, agreed.epoch)
        onFirst()
        const again = doubt.promise.then((value) => ({ value }))
        const stopped = await Promise.race([again, line.ended.then((reason) => ({ reason }))])
        stopWatching()
        if ('reason' in stopped) return stopped.reason
        onShut('Redis has forgotten what it counted')
        doubted = stopped.value
      }
    },
  }
}

/** Milliseconds until the next try to connect: 50 to 1,000, and not all nodes at once. */
function backoffOf(failures: number): number {
  return Math.min(1_000, 50 * 2 ** Math.min(failures, 5)) * (0.5 + Math.random() / 2)
}

interface Report {
  readonly lost: (reason: unknown) => void
  readonly agreed: (epoch: LimiterEpochValue, before: string | undefined, info: ServerInfo) => void
  readonly stop: () => void
}

function createReport({ telemetry, scheduler }: Pick<LinkOptions, 'telemetry' | 'scheduler'>): Report {
  /** Since the outage began that is not said to be over. */
  let hasForgotten = false
  let hasWarned = false
  const outage = createOutageReport('limiter.unreachable', telemetry, {
    scheduler,
    end: () => ({ forgot: hasForgotten }),
  })
  return {
    lost(reason) {
      if (!outage.isTold()) hasForgotten = false
      outage.failed(new Error(describeRedisError(reason)))
    },
    agreed(epoch, before, { mayEvict, policy }) {
      const forgets = before !== undefined && before !== epoch.id
      if (forgets && outage.isOut()) hasForgotten = true
      else if (forgets) telemetry.event('limiter.forgot', {})
      outage.passed()
      if (mayEvict && !hasWarned) telemetry.event('limiter.may_forget', { policy })
      hasWarned ||= mayEvict
    },
    stop: outage.stop,
  }
}
