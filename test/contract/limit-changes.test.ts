import fc from 'fast-check'
import { expect, test } from 'vitest'
import { demandLimitsOf, limitsOf } from '../../src/guard/request-limits.ts'
import { parseLimitSettings } from '../../src/limits/limit-setting.ts'
import { usesOf } from '../../src/limits/limit-uses.ts'
import type { LimitUse } from '../../src/limits/limiter.ts'
import { keyOf } from './key-fixtures.ts'
import { type MachineTime, type PersistentLimiter, startPersistentLimiter } from './persistent-limiter.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

const minute = 60_000
const day = 24 * 60 * minute

/** Whose limits are changed: of two keys of one owner, and of what both meet. */
const whose = ['first', 'second', 'owner', 'default', 'everyone', 'route'] as const
const windows = ['/min', '/h', 'tokens/2h', '/calendar day', 'tokens/calendar month'] as const

type Step =
  | {
      readonly kind: 'set'
      readonly whose: (typeof whose)[number]
      readonly limits: readonly string[] | null
    }
  | {
      readonly kind: 'ask'
      readonly key: 'first' | 'second'
      readonly isRoute: boolean
      readonly tokens: number
      readonly times: number
    }
  | { readonly kind: 'settle'; readonly share: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'flush' }
  | { readonly kind: 'end'; readonly how: 'stop' | 'crash' }

const limits = fc
  .uniqueArray(
    fc.record({
      // To exact times, to slots, and back.
      amount: fc.constantFrom(1, 2, 3, 5, 40, 64, 65, 100, 640),
      window: fc.constantFrom(...windows),
    }),
    { selector: ({ window }) => window, maxLength: 3, size: 'max' },
  )
  .map((all) => all.map(({ amount, window }) => `${amount} ${window}`))

const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('set' as const),
        whose: fc.constantFrom(...whose),
        limits: fc.option(limits, { freq: 5 }),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('ask' as const),
        key: fc.constantFrom('first' as const, 'second' as const),
        isRoute: fc.boolean(),
        tokens: fc.constantFrom(0, 1, 1, 3, 30, 90),
        times: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 70 })),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('settle' as const),
        share: fc.double({ min: 0, max: 1.5, noNaN: true }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('pass' as const),
        ms: fc.oneof(
          fc.constantFrom(0, 1, 1_000),
          fc.integer({ min: 0, max: 2 * minute }),
          fc.integer({ min: 0, max: 150 * minute }),
          fc.integer({ min: 0, max: 2 * day }),
        ),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('end' as const),
        how: fc.constantFrom('stop' as const, 'crash' as const),
      }),
    },
  ),
  { minLength: 5, maxLength: 60, size: 'max' },
)

/** What was used of one subject, measure and window: a plain list that no change touches. */
class ListOfUses {
  entries: { readonly at: number; cost: number }[] = []
  readonly crashes: number[] = []
  /** The largest amount so far. */
  amountMost = 0

  used({ limit }: LimitUse, { steady, wall }: MachineTime, longer = 1): number {
    const since = sinceOf(limit, steady, wall, longer)
    return this.entries.reduce((sum, { at, cost }) => (at > since ? sum + cost : sum), 0)
  }

  /** The most that the crashes of this window may have cost: 1/64 of the limit each. */
  lost({ limit }: LimitUse, { steady, wall }: MachineTime): number {
    const since = sinceOf(limit, steady, wall, 65 / 64)
    return this.crashes.filter((at) => at > since).length * Math.ceil(this.amountMost / 64)
  }
}

/** The last moment that does not count any more. */
function sinceOf(limit: LimitUse['limit'], steady: number, wall: number, longer: number): number {
  if (limit.kind === 'window') return steady - limit.windowMs * longer
  const begin = new Date(wall)
  begin.setUTCHours(0, 0, 0, 0)
  if (limit.kind === 'calendar' && limit.period === 'month') begin.setUTCDate(1)
  return steady - (wall - begin.getTime()) - 1
}

/** Subject, measure and window, as people read them. */
function nameOf({ name, limit }: LimitUse): string {
  const subject = name.slice(0, name.length - limit.text.length)
  return `${subject}${limit.text.slice(String(limit.amount).length)}`
}

/** A deployment whose limits change, over a limiter that stops, crashes and starts again. */
class Deployment {
  readonly time: MachineTime = { steady: 0, wall: Date.UTC(2026, 0, 30, 12) }
  readonly #lists = new Map<string, ListOfUses>()
  readonly #limits = new Map<(typeof whose)[number], readonly string[] | null>()
  #process: PersistentLimiter = startPersistentLimiter(createTemporaryFolder(), this.time)
  #last: { readonly uses: readonly LimitUse[]; readonly at: number; readonly passedAt: number } | undefined

  async live(step: Step): Promise<void> {
    if (step.kind === 'set') this.#limits.set(step.whose, step.limits)
    if (step.kind === 'flush') await this.#process.limiter.flush()
    if (step.kind === 'end') await this.#restart(step.how)
    if (step.kind === 'settle') await this.#settle(step.share)
    if (step.kind === 'pass') {
      this.time.steady += step.ms
      this.time.wall += step.ms
    }
    if (step.kind === 'ask') for (let times = 0; times < step.times; times += 1) await this.#ask(step)
  }

  stop(): Promise<void> {
    return this.#process.stop()
  }

  #usesOf({ key, isRoute, tokens }: Extract<Step, { kind: 'ask' }>): readonly LimitUse[] {
    const settings = (name: (typeof whose)[number]) =>
      parseLimitSettings(this.#limits.get(name) ?? []).settings
    const record = keyOf(key, { owner: 'acme', limits: this.#limits.get(key) ?? null })
    const met = limitsOf(record, this.#limits.get('owner') ?? [], {
      limitDefault: settings('default'),
      limitEveryone: settings('everyone'),
    })
    const demand = { name: 'route', limits: this.#limits.get('route') ?? [] }
    return usesOf(isRoute ? [...met, ...demandLimitsOf(demand, key)] : met, { tokens })
  }

  async #ask(step: Extract<Step, { kind: 'ask' }>): Promise<void> {
    const uses = this.#usesOf(step)
    // Never fits, so never asked of a limiter.
    if (uses.some(({ cost, limit }) => cost > limit.amount)) return
    const lists = uses.map((use) => this.#listOf(use))
    const { time } = this
    const { refusal, at } = await this.#process.limiter.take(uses)
    if (refusal === undefined) {
      for (const [index, use] of uses.entries()) {
        const list = lists[index] as ListOfUses
        // Nothing always fits, also where the amount was lowered below what is used.
        if (use.cost > 0)
          expect(list.used(use, time) + use.cost, use.name).toBeLessThanOrEqual(use.limit.amount)
        list.entries.push({ at: time.steady, cost: use.cost })
      }
      this.#last = { uses, at, passedAt: time.steady }
      return
    }
    const { use } = refusal
    const list = this.#listOf(use)
    const most = list.used(use, time, 65 / 64) + list.lost(use, time) + use.cost
    expect(most, use.name).toBeGreaterThan(use.limit.amount)
  }

  #listOf(use: LimitUse): ListOfUses {
    const name = nameOf(use)
    const list = this.#lists.get(name) ?? new ListOfUses()
    this.#lists.set(name, list)
    list.amountMost = Math.max(list.amountMost, use.limit.amount)
    return list
  }

  async #settle(share: number): Promise<void> {
    const last = this.#last
    if (last === undefined || last.passedAt !== this.time.steady) return
    const costs = last.uses.map(({ cost }) => Math.floor(cost * share))
    await this.#process.limiter.settle(last.uses, last.at, costs)
    for (const [index, use] of last.uses.entries()) {
      const entry = this.#listOf(use).entries.at(-1)
      if (entry !== undefined) entry.cost = costs[index] ?? 0
    }
    this.#last = undefined
  }

  async #restart(how: 'stop' | 'crash'): Promise<void> {
    this.#last = undefined
    if (how === 'stop') await this.#process.stop()
    const folder = how === 'stop' ? this.#process.folder : this.#process.crash()
    this.#process = startPersistentLimiter(folder, this.time)
    for (const [name, list] of this.#lists) {
      // Windows below an hour are of one process.
      if (name.endsWith('/min')) list.entries = []
      if (how === 'crash') list.crashes.push(this.time.steady)
    }
  }
}

test('whatever limits are changed, and to what, used amounts stay: never more than N, never less room', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const deployment = new Deployment()
      for (const step of all) await deployment.live(step)
      await deployment.stop()
    }),
    { numRuns: 50 },
  )
})
