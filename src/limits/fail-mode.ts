import { withinDeadline } from '../core/deadline.ts'
import { Fault } from '../core/fault.ts'
import { awaitedScheduler, type Scheduler } from '../core/scheduler.ts'
import type { Clock } from '../core/time.ts'
import type { Limiter, LimitRefusal, LimitUse, Taking } from './limiter.ts'
import { isStored } from './stored-usage.ts'

/** What requests with limits get while their limiter is out of reach. */
export type FailMode =
  /** They are refused: `limiter_unavailable`. */
  | { readonly mode: 'closed' }
  /** Each node counts its share of every limit by itself: the amount ÷ `nodes()`, rounded down. */
  | { readonly mode: 'share'; readonly local: Limiter; readonly nodes: () => number }
  /** They pass without being counted. */
  | { readonly mode: 'open' }

export interface FailModeOptions {
  /**
   * Quotas of the calendar, and windows of an hour and more, are `closed` in every mode: what
   * passed uncounted would be missing for too long.
   */
  readonly fail: FailMode
  /** Longest that a call may take, in milliseconds. @default 250 */
  readonly deadlineMs?: number
  /** Called with each request that was not counted as it should be, and why. */
  readonly onDegraded?: (fault: unknown) => void
  /** @default the process's own timers */
  readonly scheduler?: Scheduler
  /** @default Date.now */
  readonly clock?: Clock
}

/**
 * Who has counted a taking stands in the fraction of its moment, whose whole part is milliseconds:
 * a taking may never be settled, so nothing is remembered of it. No fraction: the limiter; n /
 * 4,096: the local one, as one of n nodes; `uncounted`: no limiter.
 */
const fractions = 4_096
const nodesMax = 4_000
const uncounted = 4_095 / fractions

/** Whether a taking of this moment was counted for all nodes: each can then settle it. */
export function isCountedForAll(at: number): boolean {
  return Number.isInteger(at)
}

/**
 * A limiter that answers within its deadline, whatever becomes of the one behind it. One that
 * answers at once is passed through at once, without a timer.
 */
export function withFailMode(limiter: Limiter, options: FailModeOptions): Limiter {
  const { fail, deadlineMs = 250, onDegraded, scheduler = awaitedScheduler, clock = Date.now } = options

  function ask<T>(answer: T | Promise<T>, onGiveUp?: () => void): T | Promise<T> {
    if (!(answer instanceof Promise)) return answer
    const limits = { name: 'the limiter', code: 'limiter_unavailable', deadlineMs, scheduler } as const
    return withinDeadline(answer, { ...limits, onGiveUp })
  }

  function take(uses: readonly LimitUse[]): Taking | Promise<Taking> {
    const taking = limiter.take(uses)
    if (!(taking instanceof Promise)) return taking
    const giveBackLater = (): void =>
      void taking.then((late) => giveBack(limiter, uses, late)).catch(() => {})
    return degrade(ask(taking, giveBackLater), uses, 'take')
  }

  async function degrade(
    answer: Taking | Promise<Taking>,
    uses: readonly LimitUse[],
    call: 'take' | 'peek',
  ): Promise<Taking> {
    try {
      return await answer
    } catch (fault) {
      if (!isUnavailable(fault) || fail.mode === 'closed' || uses.some(isClosed)) throw fault
      const taking =
        fail.mode === 'open' ? passUncounted(uses, clock()) : await takeShare(fail, uses, call, fault)
      onDegraded?.(fault)
      return taking
    }
  }

  return {
    take,
    peek(uses) {
      const taking = limiter.peek(uses)
      return taking instanceof Promise ? degrade(ask(taking), uses, 'peek') : taking
    },
    settle(uses, at, costs) {
      const mark = at % 1
      if (mark === 0) return ask(limiter.settle(uses, at, costs))
      if (mark === uncounted || fail.mode !== 'share') return undefined
      return fail.local.settle(sharesOf(uses, mark * fractions), Math.floor(at), costs)
    },
    async reset(uses) {
      await ask(limiter.reset(uses))
      if (fail.mode === 'share') await fail.local.reset(uses)
    },
    async close() {
      await Promise.all([limiter.close(), fail.mode === 'share' ? fail.local.close() : undefined])
    },
  }
}

function isUnavailable(thrown: unknown): boolean {
  return thrown instanceof Fault && thrown.code === 'limiter_unavailable'
}

/** A limit in shadow refuses no request, so it closes none either. */
function isClosed(use: LimitUse): boolean {
  return !use.isShadow && isStored(use)
}

/**
 * The request was refused at the deadline, so a slot that was taken after it would never come free.
 */
async function giveBack(limiter: Limiter, uses: readonly LimitUse[], { at, refusal }: Taking): Promise<void> {
  if (refusal !== undefined) return
  await limiter.settle(
    uses,
    at,
    uses.map(() => 0),
  )
}

function passUncounted(uses: readonly LimitUse[], now: number): Taking {
  const states = uses.map((use) => ({ use, remaining: use.limit.amount, freesInMs: 0 }))
  return { refusal: undefined, shadows: [], states, at: Math.floor(now) + uncounted }
}

/** @throws `fault` where this node's share of a limit can never hold the request */
async function takeShare(
  { local, nodes }: Extract<FailMode, { mode: 'share' }>,
  uses: readonly LimitUse[],
  call: 'take' | 'peek',
  fault: unknown,
): Promise<Taking> {
  const count = Math.min(nodesMax, Math.max(1, Math.floor(nodes())))
  const shares = sharesOf(uses, count)
  if (uses.some(({ limit, cost, isShadow }) => !isShadow && cost > Math.floor(limit.amount / count)))
    throw fault
  const { refusal, shadows, states, at } = await local[call](shares)
  const whole = (share: LimitUse): LimitUse => uses[shares.indexOf(share)] ?? share
  const wholeRefusal = ({ use, retryInMs }: LimitRefusal): LimitRefusal => ({ use: whole(use), retryInMs })
  return {
    refusal: refusal && wholeRefusal(refusal),
    shadows: shadows.map(wholeRefusal),
    states: states.map((state) => ({ ...state, use: whole(state.use) })),
    at: Math.floor(at) + count / fractions,
  }
}

function sharesOf(uses: readonly LimitUse[], nodes: number): readonly LimitUse[] {
  return uses.map((use) => ({
    ...use,
    limit: { ...use.limit, amount: Math.max(1, Math.floor(use.limit.amount / nodes)) },
  }))
}
