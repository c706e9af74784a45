import { after } from '../core/after.ts'
import type { Limiter, LimitRefusal, LimitState, LimitUse, Taking } from './limiter.ts'

export interface ComposedLimiterOptions {
  /** Counts windows and what is under way at once. */
  readonly windows: Limiter
  /** Counts quotas of the calendar, and stores them durably. */
  readonly quotas: Limiter
}

/**
 * Two limiters as one, whose takings are all or nothing. Quotas are taken last, because what a
 * durable store has counted is harder to take back; where they refuse or cannot be counted, the
 * windows are given back. A request without a quota asks the windows alone.
 *
 * Between the two steps the windows hold a request that is refused in the end: another may
 * meanwhile be refused in its place, and never is one admitted that should not be.
 */
export function createComposedLimiter({ windows, quotas }: ComposedLimiterOptions): Limiter {
  /**
   * How far the quotas' moments are ahead, the least that was seen. Too little dates a taking back,
   * so that near a boundary of the calendar what it gives back does not count; too much would give
   * it back to a day that never counted it.
   */
  let aheadMs = Number.POSITIVE_INFINITY

  function take(uses: readonly LimitUse[]): Taking | Promise<Taking> {
    const parts = partsOf(uses)
    if (parts.quotas.length === 0) return windows.take(uses)
    // Without a window too: it is the windows that date a taking.
    return after(windows.take(parts.windows), (taken) => {
      if (taken.refusal !== undefined)
        return after(quotas.peek(parts.quotas), (looked) => join(uses, taken, looked))
      return takeQuotas(uses, parts, taken)
    })
  }

  async function takeQuotas(uses: readonly LimitUse[], parts: Parts, taken: Taking): Promise<Taking> {
    const giveBack = (): void | Promise<void> =>
      windows.settle(
        parts.windows,
        taken.at,
        parts.windows.map((use) => (isShadowed(use, taken) ? use.cost : 0)),
      )
    let counted: Taking
    try {
      counted = await quotas.take(parts.quotas)
    } catch (fault) {
      // Where this fails too, the windows have counted too much: they refuse, and admit nothing.
      await Promise.resolve(giveBack()).catch(() => {})
      throw fault
    }
    if (counted.refusal === undefined) {
      aheadMs = Math.min(aheadMs, counted.at - taken.at)
      return join(uses, taken, counted)
    }
    await giveBack()
    const { states, at } = await windows.peek(parts.windows)
    return join(uses, { refusal: undefined, shadows: taken.shadows, states, at }, counted)
  }

  return {
    take,
    peek(uses) {
      const parts = partsOf(uses)
      if (parts.quotas.length === 0) return windows.peek(uses)
      return after(windows.peek(parts.windows), (first) =>
        after(quotas.peek(parts.quotas), (second) => join(uses, first, second)),
      )
    },
    async settle(uses, at, costs) {
      const which = (isQuota: boolean): readonly number[] =>
        uses.flatMap((use, index) => (isQuotaUse(use) === isQuota ? [index] : []))
      const settle = async (limiter: Limiter, indexes: readonly number[], when: number): Promise<void> => {
        if (indexes.length === 0) return
        const own = indexes.map((index) => uses[index] as LimitUse)
        await limiter.settle(
          own,
          when,
          indexes.map((index) => costs[index] ?? 0),
        )
      }
      // Both, whatever becomes of the one: what is under way at once must come free.
      const settled = await Promise.allSettled([
        settle(windows, which(false), at),
        settle(quotas, which(true), at + aheadMs),
      ])
      for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason
    },
    reset: (uses) => resetBoth({ windows, quotas }, partsOf(uses)),
    async close() {
      await Promise.all([windows.close(), quotas.close()])
    },
  }
}

async function resetBoth({ windows, quotas }: ComposedLimiterOptions, parts: Parts): Promise<void> {
  await Promise.all([windows.reset(parts.windows), quotas.reset(parts.quotas)])
}

interface Parts {
  readonly windows: readonly LimitUse[]
  readonly quotas: readonly LimitUse[]
}

function isQuotaUse({ limit }: LimitUse): boolean {
  return limit.kind === 'calendar'
}

function partsOf(uses: readonly LimitUse[]): Parts {
  return { windows: uses.filter((use) => !isQuotaUse(use)), quotas: uses.filter(isQuotaUse) }
}

/** A limit in shadow that would have refused was not counted. */
function isShadowed(use: LimitUse, { shadows }: Taking): boolean {
  return shadows.some((shadow) => shadow.use === use)
}

function join(uses: readonly LimitUse[], windows: Taking, quotas: Taking): Taking {
  const states = new Map<LimitUse, LimitState>()
  for (const state of [...windows.states, ...quotas.states]) states.set(state.use, state)
  return {
    refusal: laterOf(windows.refusal, quotas.refusal),
    shadows: [...windows.shadows, ...quotas.shadows],
    states: uses.flatMap((use) => states.get(use) ?? []),
    at: windows.at,
  }
}

/** The refusal that passes last; among those of one moment the first. */
function laterOf(one: LimitRefusal | undefined, other: LimitRefusal | undefined): LimitRefusal | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return (other.retryInMs ?? 0) > (one.retryInMs ?? 0) ? other : one
}
