import { pause, type Scheduler } from '../../core/scheduler.ts'
import type { EpochStore } from '../../limits/epoch-store.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { agreeOnEpoch, type LimiterEpochValue, type ServerInfo } from './epoch.ts'
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
  const { url, deployment, epochs, scheduler, deadlineMs, onOpen, onShut } = options
  const ending = new AbortController()
  const first = Promise.withResolvers<unknown>()
  const report = createReport(options.telemetry)
  let doubt: PromiseWithResolvers<string | undefined> | undefined
  let epoch: LimiterEpochValue | undefined
  let line: RedisLine | undefined

  /** Resolves when the connection has ended. */
  async function use(live: RedisLine): Promise<unknown> {
    let doubted: string | undefined
    let known = epoch?.id
    for (;;) {
      const steady = options.steady?.()
      const agreed = await agreeOnEpoch(live, { deployment, epochs, scheduler, doubted, steady })
      report.agreed(agreed.epoch, known, agreed.info)
      known = agreed.epoch.id
      epoch = agreed.epoch
      doubt = Promise.withResolvers()
      const again = doubt.promise.then((value) => ({ value }))
      const stopWatching = watchEpoch(live, agreed, {
        epochs,
        scheduler,
        onDoubt: (value) => doubt?.resolve(value),
      })
      onOpen(live, agreed.epoch)
      first.resolve(undefined)
      const stopped = await Promise.race([again, live.ended.then((reason) => ({ reason }))])
      stopWatching()
      if ('reason' in stopped) return stopped.reason
      onShut('Redis has forgotten what it counted')
      doubted = stopped.value
    }
  }

  async function keepConnected(): Promise<void> {
    const driver = await loadRedisDriver()
    const key = `{mw:${deployment}:0}`
    for (let failures = 0; !ending.signal.aborted; failures += 1) {
      let reason: unknown
      try {
        const opened = await connectServer(driver, url, key, {
          access: url,
          deadlineMs,
          scheduler: options.awaited,
        })
        line = opened
        if (ending.signal.aborted) opened.destroy(ending.signal.reason)
        reason = await use(opened)
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
    agreeAgain: (isDoubted) => doubt?.resolve(isDoubted ? epoch?.value : undefined),
    async close() {
      ending.abort(new Error('the limiter is closed'))
      line?.destroy(ending.signal.reason)
      await ended
    },
  }
}

/** Milliseconds until the next try to connect: 50 to 1,000, and not all nodes at once. */
function backoffOf(failures: number): number {
  return Math.min(1_000, 50 * 2 ** Math.min(failures, 5)) * (0.5 + Math.random() / 2)
}

/** An outage is one event at its start and one at its end. */
function createReport(telemetry: Telemetry) {
  let isOut = false
  let hasWarned = false
  return {
    lost(reason: unknown): void {
      if (!isOut) telemetry.event('limiter.unreachable', {}, new Error(describeRedisError(reason)))
      isOut = true
    },
    agreed(epoch: LimiterEpochValue, before: string | undefined, { mayEvict, policy }: ServerInfo): void {
      if (isOut) telemetry.event('limiter.back', {})
      isOut = false
      if (before !== undefined && before !== epoch.id) telemetry.event('limiter.forgot', {})
      if (mayEvict && !hasWarned) telemetry.event('limiter.may_forget', { policy })
      hasWarned ||= mayEvict
    },
  }
}
