import { hasEnded } from '../jobs/job.ts'
import type { JobQueue } from '../jobs/job-queue.ts'
import { createOutageReport, type OutageReport } from '../telemetry/outage-report.ts'
import { type AttemptOptions, attemptDelivery, originOf } from './attempt.ts'
import type { WebhookDelivery, WebhookOutbox } from './outbox.ts'

/** Runs something once, after that many milliseconds; gives the way to call it off. */
export type Schedule = (ms: number, run: () => void) => () => void

export interface WebhookWorkerOptions extends AttemptOptions {
  readonly outbox: WebhookOutbox
  /** Its ended jobs are delivered at once; without it, at the next poll of the outbox. */
  readonly queue?: Pick<JobQueue, 'watch'> | undefined
  readonly schedule: Schedule
  /** Most attempts under way at once. @default 128 */
  readonly concurrency?: number
  /** Most attempts of one owner's under way at once, in all processes together. @default 8 */
  readonly ownerConcurrency?: number
  /**
   * Time between two looks at the outbox, in milliseconds: what is due by the clock, or through
   * another process, is found by them.
   * @default 1000
   */
  readonly pollMs?: number
}

/** Delivers what is due, until it is closed. */
export interface WebhookWorker {
  /** Looks at the outbox now. */
  readonly wake: () => void
  /**
   * Claims nothing more; attempts under way have `graceMs` to end by themselves, and are then
   * broken off and due again at once, for the next process. Resolves once all have been settled.
   */
  readonly close: (graceMs: number) => Promise<void>
}

/**
 * How much longer than an attempt's deadline its lease lasts, in milliseconds. Too short, and a
 * slow store lets two workers send the same message; too long, and deliveries of a dead process
 * wait that much longer.
 */
const leaseSlackMs = 45_000

export function startWebhookWorker(options: WebhookWorkerOptions): WebhookWorker {
  const worker = new Worker(options)
  worker.wake()
  return { wake: () => worker.wake(), close: (graceMs) => worker.close(graceMs) }
}

class Worker {
  readonly #options: WebhookWorkerOptions
  readonly #underWay = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  readonly #unwatch: (() => void) | undefined
  #claiming: Promise<void> | undefined
  #isWoken = false
  #isClosed = false
  readonly #outage: OutageReport
  #cancelPoll: (() => void) | undefined

  constructor(options: WebhookWorkerOptions) {
    this.#options = options
    this.#outage = createOutageReport('webhook.outbox_unreadable', options.telemetry, {
      clock: options.clock,
    })
    this.#unwatch = options.queue?.watch(({ jobs }) => {
      if (jobs.some(({ status, webhook }) => webhook !== null && hasEnded(status))) this.wake()
    })
  }

  wake(): void {
    this.#isWoken = true
    if (this.#claiming !== undefined) return
    this.#cancelPoll?.()
    this.#claiming = this.#claimAll().finally(() => {
      this.#claiming = undefined
      if (this.#isClosed) return
      // Woken after the last look, before this one was over.
      if (this.#isWoken) this.wake()
      else this.#cancelPoll = this.#options.schedule(this.#pollMs, () => this.wake())
    })
  }

  async close(graceMs: number): Promise<void> {
    this.#isClosed = true
    this.#unwatch?.()
    this.#cancelPoll?.()
    const cancelGrace = this.#options.schedule(graceMs, () => this.#stop.abort())
    // A claim that is under way may bring more.
    await this.#claiming
    await Promise.all(this.#underWay)
    cancelGrace()
    this.#outage.stop()
  }

  /**
   * Claims until there is nothing due or no place free; an attempt that ends makes a place, and
   * wakes.
   */
  async #claimAll(): Promise<void> {
    const { outbox, clock, deadlineMs, concurrency = 128, ownerConcurrency = 8 } = this.#options
    try {
      while (this.#isWoken && !this.#isClosed) {
        this.#isWoken = false
        const max = concurrency - this.#underWay.size
        if (max <= 0) return
        const now = clock()
        const until = now + deadlineMs + leaseSlackMs
        const claimed = await outbox.claimDeliveries({ max, ownerMax: ownerConcurrency, now, until })
        this.#outage.passed()
        for (const delivery of claimed) this.#begin(delivery)
      }
    } catch (thrown) {
      this.#outage.failed(thrown)
    }
  }

  #begin(delivery: WebhookDelivery): void {
    const attempt = attemptDelivery(delivery, this.#options, this.#stop.signal)
      .catch((thrown: unknown) =>
        this.#options.telemetry.event('webhook.not_settled', {}, thrown, originOf(delivery)),
      )
      .finally(() => {
        this.#underWay.delete(attempt)
        this.wake()
      })
    this.#underWay.add(attempt)
  }

  get #pollMs(): number {
    return this.#options.pollMs ?? 1_000
  }
}
