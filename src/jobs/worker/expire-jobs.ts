import type { Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { hasEnded } from '../job.ts'
import type { JobQueue } from '../job-queue.ts'
import type { JobUsages } from '../job-usages.ts'

const forgetMs = 60_000
const lookMs = 5_000

/** Deleted in one commit: others wait for it. */
const forgottenAtOnce = 500

/** Usages of jobs that are checked in one turn. */
const lookedAtMax = 100

export interface ExpireJobsOptions {
  readonly store: Pick<JobQueue, 'forgetExpired' | 'findJob'>
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly usages: JobUsages
  /** Jobs that are about to be accepted: not to be found yet, and yet not gone. */
  readonly accepting: { readonly has: (id: string) => boolean }
  readonly telemetry: Telemetry
}

/**
 * Forgets what has expired, and ends the usage of jobs that another process has ended. Gives the
 * way to stop.
 */
export function expireJobs({
  store,
  clock,
  scheduler,
  usages,
  accepting,
  telemetry,
}: ExpireJobsOptions): () => void {
  let isStopped = false
  const cancels = new Map<string, () => void>()

  async function forget(): Promise<void> {
    while (!isStopped && (await store.forgetExpired(clock(), forgottenAtOnce)) === forgottenAtOnce)
      await scheduler.yieldTurn()
  }

  async function endUsages(): Promise<void> {
    for (const id of usages.next(lookedAtMax)) {
      if (accepting.has(id)) continue
      const job = await store.findJob({ id }, clock())
      if (job === undefined) usages.forget(id)
      else if (hasEnded(job.status)) usages.settle(job)
    }
  }

  function repeat(name: string, ms: number, act: () => Promise<void>): void {
    if (isStopped) return
    const cancel = scheduler.after(ms, () => {
      act()
        .catch((fault: unknown) => {
          // Once it was stopped, the store may be closed.
          if (!isStopped) telemetry.event('jobs.sweep_failed', { task: name }, fault)
        })
        .finally(() => repeat(name, ms, act))
    })
    cancels.set(name, cancel)
  }

  repeat('forgetting expired jobs', forgetMs, forget)
  repeat('looking after the limits of jobs', lookMs, endUsages)
  return () => {
    isStopped = true
    for (const cancel of cancels.values()) cancel()
  }
}
