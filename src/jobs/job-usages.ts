import { noUsage, type Usage } from '../limits/usage.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { JobRecord } from './job.ts'

/**
 * What accepted jobs have taken of their limits, until they end. In memory: after a restart old
 * jobs hold nothing.
 */
export interface JobUsages {
  readonly hold: (id: string, usage: Usage) => void
  /** The job was not accepted: its usage is the caller's again. */
  readonly drop: (id: string) => void
  /** What a job has used; empty where that is not known. */
  readonly used: (id: string) => Readonly<Record<string, number>>
  /**
   * Ends the usage of a job that has ended; gives back that of one that nobody will be answered
   * for, or that never began.
   */
  readonly settle: (job: JobRecord) => void
  /**
   * Up to `max` jobs whose usage is held, in turn: for looking whether another process has ended
   * them.
   */
  readonly nextHeld: (max: number) => readonly string[]
  /** The job is gone. */
  readonly forget: (id: string) => void
  /** Ends all at once, as the process does. */
  readonly close: () => Promise<void>
}

export function createJobUsages(telemetry: Telemetry): JobUsages {
  const held = new Map<string, Usage>()
  const ending = new Set<Promise<void>>()

  function end(id: string, how: (usage: Usage) => void | Promise<void>): void {
    const usage = held.get(id)
    if (usage === undefined) return
    held.delete(id)
    // No caller waits for it, so a failure is reported.
    const done = (async () => how(usage))()
      .catch((fault: unknown) => telemetry.event('limiter.settle_failed', {}, fault))
      .finally(() => ending.delete(done))
    ending.add(done)
  }

  return {
    hold(id, usage) {
      if (usage !== noUsage) held.set(id, usage)
    },
    drop: (id) => void held.delete(id),
    used: (id) => held.get(id)?.used ?? {},
    settle(job) {
      if (job.status === 'succeeded') end(job.id, (usage) => usage.end('answered'))
      else if (job.status === 'cancelled' && job.startedAt !== null)
        end(job.id, (usage) => usage.end('aborted'))
      else end(job.id, (usage) => usage.giveBack())
    },
    nextHeld(max) {
      const next = [...held].slice(0, max)
      for (const [id, usage] of next) {
        held.delete(id)
        held.set(id, usage)
      }
      return next.map(([id]) => id)
    },
    forget: (id) => end(id, (usage) => usage.end('answered')),
    async close() {
      for (const id of held.keys()) end(id, (usage) => usage.end('answered'))
      await Promise.all(ending)
    },
  }
}
