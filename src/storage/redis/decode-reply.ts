import { Fault } from '../../core/fault.ts'
import type { LimitRefusal, LimitState, LimitUse, Taking } from '../../limits/limiter.ts'
import type { RedisReply } from './redis-line.ts'
import { type LimiterRequest, operations } from './requests.ts'

/** What the script says to one request. */
export type LimiterAnswer =
  | { readonly is: 'taking'; readonly taking: Taking }
  | { readonly is: 'done' }
  /** Nothing of it was done: something has to be written before. */
  | { readonly is: 'lacking'; readonly snapshots: readonly Snapshot[] }
  /** It was done, and something has to be written behind it. */
  | { readonly is: 'off'; readonly snapshots: readonly Snapshot[] }
  /** Not counted for so long, because the limiter has forgotten what was used. */
  | { readonly is: 'closed'; readonly forMs: number }

/** A kept cell at a moment. */
export interface Snapshot {
  /** Which of the request's uses. */
  readonly index: number
  /** Empty where there is no cell. */
  readonly cells: Buffer
  /** How much more may be used before it is written. Below 0: so much is used and not written. */
  readonly spare: number
  readonly version: number
  readonly used: number
  /** The epoch in which it was taken. */
  readonly epoch: string
}

/** What a call came to as a whole. */
export type CallReply =
  | { readonly is: 'answers'; readonly answers: readonly LimiterAnswer[]; readonly time: number }
  /** The epoch is another one. Nothing was done. */
  | { readonly is: 'other epoch' }
  /** The server's clock shows what it cannot. Nothing was done. */
  | { readonly is: 'clock set' }

/** @throws Fault `limiter_unavailable` for what the script does not answer */
export function decodeReply(
  reply: RedisReply,
  requests: readonly LimiterRequest[],
  epoch: string,
): CallReply {
  if (!Array.isArray(reply)) throw unexpected()
  if (reply[0] === 1) return { is: 'other epoch' }
  if (reply[0] === 2) return { is: 'clock set' }
  const read = createCursor(reply)
  read.number()
  const steady = read.number()
  const time = read.number()
  const answers: LimiterAnswer[] = []
  for (const request of requests) answers.push(readAnswer(read, request, steady, epoch))
  return { is: 'answers', answers, time }
}

interface Cursor {
  readonly number: () => number
  readonly bytes: () => Buffer
}

function createCursor(reply: readonly RedisReply[]): Cursor {
  let at = 0
  return {
    number() {
      const value = reply[at]
      at += 1
      if (typeof value !== 'number') throw unexpected()
      return value
    },
    bytes() {
      const value = reply[at]
      at += 1
      if (!Buffer.isBuffer(value)) throw unexpected()
      return value
    },
  }
}

function readAnswer(read: Cursor, request: LimiterRequest, steady: number, epoch: string): LimiterAnswer {
  const { operation, limits = [] } = request
  const code = read.number()
  if (code === 2 || code === 5)
    return { is: code === 2 ? 'lacking' : 'off', snapshots: readSnapshots(read, epoch) }
  if (code === 3) return { is: 'closed', forMs: read.number() }
  if (operation !== operations.take && operation !== operations.peek) return { is: 'done' }
  const refusal = code === 1 ? readRefusal(read, limits) : undefined
  const shadows: LimitRefusal[] = []
  // 4: all are taken, and none is in shadow.
  for (let left = code === 4 ? 0 : read.number(); left > 0; left -= 1) shadows.push(readRefusal(read, limits))
  const states: LimitState[] = []
  for (const use of limits) states.push({ use, remaining: read.number(), freesInMs: read.number() })
  return { is: 'taking', taking: { refusal, shadows, states, at: steady } }
}

function readRefusal(read: Cursor, limits: readonly LimitUse[]): LimitRefusal {
  const use = limits[read.number()]
  const ms = read.number()
  if (use === undefined) throw unexpected()
  return { use, retryInMs: ms === -2 ? undefined : ms === -1 ? Number.POSITIVE_INFINITY : ms }
}

function readSnapshots(read: Cursor, epoch: string): readonly Snapshot[] {
  return Array.from({ length: read.number() }, () => ({
    index: read.number(),
    cells: read.bytes(),
    spare: read.number(),
    version: read.number(),
    used: read.number(),
    epoch,
  }))
}

function unexpected(): Fault {
  return new Fault('limiter_unavailable', 'Redis answered what the script does not answer')
}
