import { noUsage, type RequestUsage } from '../limits/usage/usage.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { JobRecord, NewJob } from './job.ts'
import { readOrigin } from './job-origin.ts'

/**
 * What accepted jobs have taken of their limits, until they end. In memory: after a restart, older
 * jobs count towards no limit.
 */
export interface JobUsages {
  readonly add: (job: Pick<NewJob, 'id' | 'requestId'>, usage: RequestUsage) => void
  /** The job was not accepted: its usage is the caller's again. */
  readonly drop: (id: string) => void
  /** What a job has used; empty where that is not known. */
  readonly used: (id: string) => Readonly<Record<string, number>>
  /**
   * Ends the usage of a job that has ended. Its request counts whatever came of it, as any admitted
   * request does: the ledger has counted it, and jobs that fail would else pass every limit.
   */
  readonly settle: (job: JobRecord) => void
  /**
   * Up to `max` jobs with a usage, in turn: for checking whether another process has ended them.
   */
  readonly next: (max: number) => readonly string[]
  /** The job is gone. */
  readonly forget: (id: string) => void
  /** Ends all at once, as the process does. */
  readonly close: () => Promise<void>
}

export function createJobUsages(telemetry: Telemetry): JobUsages {
  const usages = new Map<string, { readonly usage: RequestUsage; readonly requestId: string | null }>()
  const ending = new Set<Promise<void>>()

  function end(id: string, how: (usage: RequestUsage) => void | Promise<void>): void {
    const held = usages.get(id)
    if (held === undefined) return
    usages.delete(id)
    // No caller waits for it, so a failure is reported.
    const done = (async () => how(held.usage))()
      .catch((fault: unknown) =>
        telemetry.event('limiter.settle_failed', {}, fault, readOrigin(held.requestId)),
      )
      .finally(() => ending.delete(done))
    ending.add(done)
  }

  return {
    add({ id, requestId }, usage) {
      if (usage !== noUsage) usages.set(id, { usage, requestId })
    },
    drop: (id) => void usages.delete(id),
    used: (id) => usages.get(id)?.usage.used ?? {},
    settle(job) {
      end(job.id, (usage) => usage.end(job.status === 'succeeded' ? 'answered' : 'aborted'))
    },
    next(max) {
      const ids = [...usages].slice(0, max)
      for (const [id, held] of ids) {
        usages.delete(id)
        usages.set(id, held)
      }
      return ids.map(([id]) => id)
    },
    forget: (id) => end(id, (usage) => usage.end('answered')),
    async close() {
      for (const id of usages.keys()) end(id, (usage) => usage.end('answered'))
      await Promise.all(ending)
    },
  }
}
