import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '../../../core/fault.ts'
import { processScheduler, type Scheduler } from '../../../core/scheduler.ts'
import { hasEnded } from '../../../jobs/job.ts'
import type { JobService } from '../../../jobs/job-service.ts'
import { clientEnd } from '../../http/client-end.ts'
import { writeEvents } from './write-events.ts'

export interface JobFollowersOptions {
  readonly jobs: JobService
  /** Aborts when the server begins to close, and ends every wait. */
  readonly closing: AbortSignal
  /** Most streams at once. @default 2,000 */
  readonly followersMax?: number
  /** The same of one owner. @default 200 */
  readonly ownerFollowersMax?: number
  /** @default the process's own timers */
  readonly scheduler?: Scheduler
}

/** Streams of jobs' events, so many at once. */
export interface JobFollowers {
  readonly follow: (id: string, request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>
}

export function createJobFollowers(options: JobFollowersOptions): JobFollowers {
  const { jobs, closing, scheduler = processScheduler } = options
  const places = createPlaces(options.followersMax ?? 2_000, options.ownerFollowersMax ?? 200)

  async function isAllSeen(owner: string, id: string, afterVersion: number): Promise<boolean> {
    const { status, version } = await jobs.get(owner, id)
    return hasEnded(status) && version === afterVersion
  }

  return {
    async follow(id, request, reply) {
      const { owner } = request.caller
      const afterVersion = readVersion(request.headers['last-event-id'])
      // Browsers connect again when a stream ends, and stop at this (HTML, Server-sent events
      // §9.2.3).
      if (afterVersion > 0 && (await isAllSeen(owner, id, afterVersion))) return reply.code(204).send()
      const leave = places.take(owner)
      // A client that has gone already closes nothing any more.
      if (reply.raw.closed) leave()
      else reply.raw.once('close', leave)
      const signal = clientEnd(reply, closing)
      const snapshots = await jobs.events(owner, id, { afterVersion, signal })
      // One event is ready while another is being read: a slow reader gets fewer events.
      const events = Readable.from(writeEvents(snapshots, scheduler), { highWaterMark: 1 })
      return reply.header('content-type', 'text/event-stream').header('x-accel-buffering', 'no').send(events)
    },
  }
}

/** The version that was seen last; any other text counts as none seen. */
function readVersion(header: string | readonly string[] | undefined): number {
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : 0
}

/** Places for streams; each is released once. */
function createPlaces(max: number, ownerMax: number): { readonly take: (owner: string) => () => void } {
  const taken = new Map<string, number>()
  let sum = 0
  return {
    take(owner) {
      const own = taken.get(owner) ?? 0
      if (sum >= max || own >= ownerMax) throw new Fault('overloaded', 'as many streams are open as may be')
      taken.set(owner, own + 1)
      sum += 1
      return () => {
        const left = (taken.get(owner) ?? 0) - 1
        if (left > 0) taken.set(owner, left)
        else taken.delete(owner)
        sum -= 1
      }
    },
  }
}
