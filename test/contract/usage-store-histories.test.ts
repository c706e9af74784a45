import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Limit } from '../../src/limits/limit.ts'
import type { LimitUse } from '../../src/limits/limiter.ts'
import { useOf } from './limiter.contract.ts'
import { type MachineTime, type PersistentLimiter, startPersistentLimiter } from './persistent-limiter.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

const minute = 60_000
const texts = ['3/h', '100/h', '640 tokens/2h', '5/calendar day', '200/calendar day'] as const

type Step =
  | {
      readonly kind: 'take'
      readonly which: readonly number[]
      readonly cost: number
      readonly times: number
    }
  | { readonly kind: 'settle'; readonly share: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'flush' }
  | { readonly kind: 'end'; readonly how: 'stop' | 'crash'; readonly offMs: number; readonly setMs: number }
  | { readonly kind: 'set'; readonly setMs: number }
  | { readonly kind: 'change'; readonly place: number; readonly amount: number }

const passing = fc.oneof(
  fc.constantFrom(0, 1, 1_000),
  fc.integer({ min: 0, max: 10 * minute }),
  fc.integer({ min: 0, max: 150 * minute }),
)
const which = fc.subarray([0, 1, 2, 3, 4], { minLength: 1 })
const taking = fc.record({
  kind: fc.constant('take' as const),
  which,
  cost: fc.integer({ min: 1, max: 90 }),
  times: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 30 })),
})
const settling = fc.record({
  kind: fc.constant('settle' as const),
  share: fc.double({ min: 0, max: 1.5, noNaN: true }),
})

/**
 * Events of a machine: clocks set back between processes, and either way while one runs, or not.
 */
function histories(areClocksSet: boolean): fc.Arbitrary<readonly Step[]> {
  const back = areClocksSet ? fc.constantFrom(0, -1_000, -30 * minute, -180 * minute) : fc.constant(0)
  const steps: fc.WeightedArbitrary<Step>[] = [
    { weight: 8, arbitrary: taking },
    { weight: 2, arbitrary: settling },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: passing }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('end' as const),
        how: fc.constantFrom('stop' as const, 'crash' as const),
        offMs: passing,
        setMs: back,
      }),
    },
  ]
  const changing = fc.record({
    kind: fc.constant('change' as const),
    place: fc.nat(texts.length - 1),
    // To exact times, to slots, and back.
    amount: fc.constantFrom(1, 3, 5, 40, 64, 65, 100, 640),
  })
  steps.push({ weight: 3, arbitrary: changing })
  const setting = fc.record({
    kind: fc.constant('set' as const),
    setMs: fc.constantFrom(-180 * minute, -minute, minute, 180 * minute),
  })
  if (areClocksSet) steps.push({ weight: 1, arbitrary: setting })
  return fc.array(fc.oneof(...steps), { minLength: 5, maxLength: 40, size: 'max' })
}

/** A plain list of uses, by a clock that is never set and knows of no process. */
class ListOfUses {
  readonly entries: { readonly at: number; readonly day: number; cost: number }[] = []
  readonly losses: { readonly at: number; readonly day: number }[] = []
  readonly limit: Limit
  /** The largest amount so far. */
  amountMost: number

  constructor(limit: Limit) {
    this.limit = limit
    this.amountMost = limit.amount
  }

  used(now: number, today: number, longer = 1): number {
    return this.#counted(this.entries, now, today, longer).reduce((sum, { cost }) => sum + cost, 0)
  }

  crashes(now: number, today: number): number {
    return this.#counted(this.losses, now, today, 65 / 64).length
  }

  #counted<T extends { at: number; day: number }>(
    all: readonly T[],
    now: number,
    today: number,
    longer: number,
  ): T[] {
    const { limit } = this
    return limit.kind === 'window'
      ? all.filter(({ at }) => at > now - limit.windowMs * longer)
      : all.filter(({ day }) => day === today)
  }
}

/** Lives through a history; `look` sees each answer with the lists as they were before it. */
async function live(
  steps: readonly Step[],
  areClocksSet: boolean,
  look: (answer: { list: ListOfUses; use: LimitUse; admitted: boolean; now: number; today: number }) => void,
): Promise<void> {
  const time: MachineTime = { steady: 0, wall: Date.UTC(2026, 0, 15, 12) }
  const uses = texts.map((text, place) => useOf(`key:${place}`, text))
  const lists = uses.map(({ limit }) => new ListOfUses(limit))
  let kept: PersistentLimiter = startPersistentLimiter(createTemporaryFolder(), time)
  let last: { uses: readonly LimitUse[]; at: number; which: readonly number[] } | undefined
  // The latest day that a limiter has seen: a clock that is set back does not undo it.
  let today = 0
  const readDay = (): number => {
    today = Math.max(today, Math.floor(time.wall / 86_400_000))
    return today
  }
  const pass = (ms: number, setMs = 0): void => {
    time.steady += ms
    time.wall += ms + setMs
  }
  for (const step of steps) {
    if (step.kind === 'pass') pass(step.ms)
    if (step.kind === 'change') {
      const list = lists[step.place] as ListOfUses
      list.amountMost = Math.max(list.amountMost, step.amount)
      const text = list.limit.text.replace(/^\d+/, `${step.amount}`)
      uses[step.place] = useOf(`key:${step.place}`, text)
    }
    if (step.kind === 'flush') await kept.limiter.flush()
    if (step.kind === 'set') {
      pass(0, step.setMs)
      await kept.limiter.flush()
    }
    if (step.kind === 'end') {
      last = undefined
      if (step.how === 'stop') await kept.stop()
      const folder = step.how === 'stop' ? kept.folder : kept.crash()
      pass(step.offMs, step.setMs)
      kept = startPersistentLimiter(folder, time)
      if (step.how === 'crash')
        for (const list of lists) list.losses.push({ at: time.steady, day: readDay() })
    }
    if (step.kind === 'settle' && last !== undefined) {
      const costs = last.uses.map(({ cost }) => Math.floor(cost * step.share))
      await kept.limiter.settle(last.uses, last.at, costs)
      for (const [index, place] of last.which.entries()) {
        const entry = lists[place]?.entries.at(-1)
        if (entry !== undefined) entry.cost = costs[index] ?? 0
      }
      last = undefined
    }
    // A limit's day is found when it is read: here all are, so that one number stands for all.
    if (areClocksSet) {
      await kept.limiter.peek(uses)
      readDay()
    }
    if (step.kind !== 'take') continue
    for (let times = 0; times < step.times; times += 1) {
      const stepUses = step.which.map((place) => {
        const use = uses[place] as LimitUse
        const { measure, amount } = use.limit
        return { ...use, cost: measure === 'tokens' ? Math.min(step.cost, amount) : 1 }
      })
      const now = time.steady
      const { refusal, at } = await kept.limiter.take(stepUses)
      const day = readDay()
      for (const [index, use] of stepUses.entries()) {
        const list = lists[step.which[index] ?? 0] as ListOfUses
        if (refusal === undefined || refusal.use === use)
          look({ list, use, admitted: refusal === undefined, now, today: day })
        if (refusal === undefined) list.entries.push({ at: now, day, cost: use.cost })
      }
      last = refusal === undefined ? { uses: stepUses, at, which: step.which } : undefined
      if (refusal !== undefined) break
    }
  }
  await kept.stop()
}

test('whatever ends the process, however clocks are set and amounts change, no window and no day has more than the limit', async () => {
  await fc.assert(
    fc.asyncProperty(histories(true), (steps) =>
      live(steps, true, ({ list, use, admitted, now, today }) => {
        if (admitted) expect(list.used(now, today) + use.cost).toBeLessThanOrEqual(use.limit.amount)
      }),
    ),
    { numRuns: 60 },
  )
})

test('however amounts change, no key is refused for more than what was used, but for 1/64 of the limit for each crash and 1/64 of the window', async () => {
  await fc.assert(
    fc.asyncProperty(histories(false), (steps) =>
      live(steps, false, ({ list, use, admitted, now, today }) => {
        const { amount } = use.limit
        const lost = list.crashes(now, today) * Math.ceil(list.amountMost / 64)
        if (!admitted) expect(list.used(now, today, 65 / 64) + lost + use.cost).toBeGreaterThan(amount)
        else expect(list.used(now, today) + use.cost).toBeLessThanOrEqual(amount)
      }),
    ),
    { numRuns: 60 },
  )
})
