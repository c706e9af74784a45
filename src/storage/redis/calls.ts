import { Fault } from '../../core/fault.ts'
import type { Clock } from '../../core/time.ts'
import { decodeReply, type LimiterAnswer } from './decode-reply.ts'
import { byHash, byText, encodeCall } from './encode-call.ts'
import type { LimiterEpochValue } from './epoch.ts'
import { describeRedisError, isUnknownScript } from './redis-error.ts'
import type { RedisLine, RedisReply } from './redis-line.ts'
import type { LimiterRequest } from './requests.ts'
import type { ServerClock } from './server-clock.ts'
import { createWaitingRequests, type WaitingRequest } from './waiting-requests.ts'

/**
 * Requests on their way to the script. While a call is under way they gather, and the next call
 * takes them together; nothing waits on purpose, and nothing is sent twice.
 */
export interface Calls {
  /**
   * Rejects with the fault `limiter_unavailable`: at once where there is no connection, at the
   * deadline of its call, or where too many wait.
   */
  readonly ask: (request: LimiterRequest) => Promise<LimiterAnswer>
  /** From now on calls go this way. */
  readonly open: (line: RedisLine, epoch: LimiterEpochValue) => void
  /** Until `open`, all that waits and all that comes is rejected. */
  readonly shut: (why: string, cause?: unknown) => void
  /** The epoch in which it is counted; undefined while it is not. */
  readonly epoch: () => LimiterEpochValue | undefined
}

export interface CallsOptions {
  /** Names this process among those that hold leases. */
  readonly node: string
  readonly deadlineMs: number
  readonly monotonic: Clock
  readonly serverClock: ServerClock
  /** Both clocks of a test. */
  readonly clocks: (() => { readonly steady: number; readonly wall: number }) | undefined
  /** Called where the epoch has to be agreed on again; `isDoubted`: it must not go on. */
  readonly onStale: (isDoubted: boolean) => void
}

/** Calls at once: one is on its way while the other is counted. */
const callsMax = 2

/** Where calls go. */
interface Way {
  readonly line: RedisLine
  readonly epoch: LimiterEpochValue
}

export function createCalls(options: CallsOptions): Calls {
  const { deadlineMs, monotonic } = options
  const waiting = createWaitingRequests(deadlineMs)
  const run = createCaller(options)
  let underWay = 0
  let isScheduled = false
  let way: Way | undefined
  let closed = new Fault('limiter_unavailable', 'there is no connection to Redis yet')

  /** In a moment of its own, so that what comes in one turn goes together. */
  function schedule(): void {
    if (isScheduled || underWay >= callsMax) return
    isScheduled = true
    queueMicrotask(() => {
      isScheduled = false
      while (way !== undefined && underWay < callsMax) {
        const called = waiting.next(way.epoch.id, monotonic())
        if (called.length === 0) break
        void call(called, way)
      }
    })
  }

  async function call(called: readonly WaitingRequest[], by: Way): Promise<void> {
    underWay += 1
    try {
      await run(called, by, () => way === by)
    } finally {
      underWay -= 1
      schedule()
    }
  }

  return {
    ask(request) {
      if (way === undefined) return Promise.reject(closed)
      const answer = waiting.add(request, monotonic())
      schedule()
      return answer
    },
    open(line, epoch) {
      way = { line, epoch }
    },
    shut(why, cause) {
      way = undefined
      closed = new Fault('limiter_unavailable', why, { cause })
      waiting.rejectAll(closed)
    },
    epoch: () => way?.epoch,
  }
}

/** Sends requests in one call and settles each of them. Never rejects. */
function createCaller({ node, deadlineMs, monotonic, serverClock, clocks, onStale }: CallsOptions) {
  return async (
    called: readonly WaitingRequest[],
    { line, epoch }: Way,
    isCurrent: () => boolean,
  ): Promise<void> => {
    const requests = called.map(({ request }) => request)
    const rejectAll = (fault: Fault): void => {
      for (const { reject } of called) reject(fault)
    }
    const sentAt = monotonic()
    try {
      const head = { epoch, node, ...serverClock.bounds(sentAt), clocks: clocks?.() }
      const reply = decodeReply(await run(line, encodeCall(head, requests)), requests, epoch.id)
      if (reply.is !== 'answers') {
        rejectAll(new Fault('limiter_unavailable', 'Redis has forgotten what it counted'))
        // One that this thread was too busy to send in time says nothing of the server's clock.
        const isLate = monotonic() - sentAt > deadlineMs
        if (isCurrent()) onStale(reply.is === 'clock set' && !isLate)
        return
      }
      if (isCurrent()) serverClock.note(sentAt, monotonic(), reply.time)
      for (const [index, { resolve }] of called.entries()) resolve(reply.answers[index] as LimiterAnswer)
    } catch (error) {
      const fault = asFault(error)
      rejectAll(fault)
      // An error of Redis: it is no place to count in, be it read-only, loading, or out of memory.
      line.destroy(fault)
    }
  }
}

/** By its hash, and once by its text where Redis does not know it: it has run nothing then. */
async function run(line: RedisLine, call: readonly (string | Buffer)[]): Promise<RedisReply> {
  try {
    return await line.send(byHash(call))
  } catch (error) {
    if (!isUnknownScript(error)) throw error
    return line.send(byText(call))
  }
}

function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error
  return new Fault('limiter_unavailable', `Redis refuses: ${describeRedisError(error)}`, { cause: error })
}
