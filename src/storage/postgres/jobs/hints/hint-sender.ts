import type { Scheduler } from '../../../../core/scheduler.ts'
import type { JobChange } from '../../../../jobs/job-queue.ts'
import type { Postgres } from '../../postgres.ts'
import { hintChannel, writeHint } from './hint-channel.ts'

/** Tells other nodes what this one has committed. */
export interface HintSender {
  readonly note: (change: JobChange) => void
  /** Tells what was noted last. */
  readonly close: () => Promise<void>
}

/**
 * Milliseconds in which changes gather for one notification: while one commits, every other that
 * notifies waits, so there is one a node and not one a commit, and none within a commit of jobs.
 */
const gatherMs = 50
/** More ids than a notification holds. */
const idsMax = 300

export function createHintSender(
  { query, schema }: Pick<Postgres, 'query' | 'schema'>,
  node: string,
  scheduler: Pick<Scheduler, 'after'>,
): HintSender {
  const channel = hintChannel(schema)
  let ids = new Set<string>()
  let isDue = false
  let cancel: (() => void) | undefined
  let sending: Promise<unknown> = Promise.resolve()

  function send(): void {
    cancel = undefined
    const hint = writeHint({ node, isDue, ...(ids.size < idsMax && { ids: [...ids] }) })
    ids = new Set()
    isDue = false
    // A hint may be lost: those who wait look again by themselves.
    sending = query('SELECT pg_notify($1, $2)', [channel, hint]).catch(() => undefined)
  }

  return {
    note(change) {
      for (const { id } of change.jobs) if (ids.size < idsMax) ids.add(id)
      isDue ||= change.isDue
      cancel ??= scheduler.after(gatherMs, send)
    },
    async close() {
      if (cancel !== undefined) {
        cancel()
        send()
      }
      await sending
    },
  }
}
