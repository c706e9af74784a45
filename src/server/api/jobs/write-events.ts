import type { Scheduler } from '../../../core/scheduler.ts'
import type { JobSnapshot } from '../../../jobs/job-service.ts'
import { writeJob } from '../../../jobs/view-job.ts'

/**
 * How long a stream is silent at most, in milliseconds: proxies cut off what says nothing for a
 * minute.
 */
const silenceMs = 15_000

/** How long a browser waits before it connects again, in milliseconds. */
const reconnectMs = 1_000

/** A comment, which says nothing (HTML, Server-sent events §9.2.6). */
const heartbeat = ': \n\n'

/**
 * Writes snapshots of a job as server-sent events: each is called `status`, its id is the job's
 * version.
 */
export async function* writeEvents(
  snapshots: AsyncIterable<JobSnapshot>,
  scheduler: Scheduler,
): AsyncGenerator<string> {
  const iterator = snapshots[Symbol.asyncIterator]()
  try {
    yield `retry: ${reconnectMs}\n\n`
    let next = iterator.next()
    for (;;) {
      const settled = await withinSilence(next, scheduler)
      if (settled === undefined) {
        yield heartbeat
        continue
      }
      if (settled.done === true) return
      const { version, job } = settled.value
      yield `id: ${version}\nevent: status\ndata: ${writeJob(job)}\n\n`
      next = iterator.next()
    }
  } finally {
    await iterator.return?.()
  }
}

/** Undefined when it has taken so long that something must be said. */
async function withinSilence<T>(next: Promise<T>, scheduler: Scheduler): Promise<T | undefined> {
  const silence = Promise.withResolvers<undefined>()
  const cancel = scheduler.after(silenceMs, () => silence.resolve(undefined))
  try {
    return await Promise.race([next, silence.promise])
  } finally {
    cancel()
  }
}
