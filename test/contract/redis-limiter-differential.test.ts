import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { awaitedScheduler, type Scheduler } from '../../src/core/scheduler.ts'
import { createInProcessLimiter } from '../../src/limits/in-process/in-process-limiter.ts'
import type { LimitUse, Taking } from '../../src/limits/limiter.ts'
import { openRedisLimiter } from '../../src/storage/redis/redis-limiter.ts'
import { createFleetStores } from '../support/fleet-stores.ts'
import { redisUrl, valkeyUrl } from '../support/services.ts'
import { beginTime, useOf } from './limiter.contract.ts'

interface Histories {
  readonly url: () => Promise<string>
  readonly subject: string
  /** Of each row a request has at most one: they are one counter under different amounts. */
  readonly limits: readonly (readonly string[])[]
  /** What a use of tokens costs, times this. */
  readonly scale: number
  readonly numRuns: number
  readonly least: { readonly compared: number; readonly refused: number }
}

const all: Histories = {
  url: redisUrl,
  subject: 'key:a',
  scale: 1,
  numRuns: 150,
  least: { compared: 5_000, refused: 500 },
  limits: [
    ['1/s', '3/s'],
    ['5/min', '2/min', '64/min', '80/min', '1000/min'],
    ['7 tokens/30s', '64 tokens/30s', '65 tokens/30s', '5000 tokens/30s'],
    ['3/h', '100/h', '5000/h'],
    ['40 tokens/day', '900 tokens/day'],
    ['3/31d', '70/31d'],
    ['10/calendar day', '4/calendar day'],
    ['60 tokens/calendar month', '100000 tokens/calendar month'],
    ['2 concurrent', '5 concurrent'],
    ['shadow 3/min', 'shadow 90/min'],
    ['shadow 2/calendar day'],
  ],
}

/** Cells in each shape: of what no row keeps, short and long, and of few and many in a slot. */
const notKept: Histories = {
  url: redisUrl,
  subject: 'route:~a',
  scale: 3_001,
  numRuns: 60,
  least: { compared: 2_000, refused: 200 },
  limits: [
    ['1/s', '3/s'],
    ['5/min', '64/min', '80/min', '1000/min'],
    ['500 tokens/65s', '9000 tokens/65s', '64 tokens/65s', '200000000 tokens/65s'],
    ['60 tokens/66s', '64 tokens/66s', '5 tokens/66s'],
    ['1/2h', '50/2h', '400/2h'],
    ['40 tokens/day', '900000 tokens/day', '2000000000 tokens/day'],
    ['2/31d', '70/31d'],
  ],
}

const overValkey: Histories = {
  ...all,
  url: valkeyUrl,
  numRuns: 30,
  least: { compared: 1_000, refused: 50 },
}

/** How far the time goes on: often not at all, sometimes beyond a minute, an hour, a month. */
const pause = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 3_000 }) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 70_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 3_700_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 90_000_000 }) },
)

const step = fc.record({
  ms: pause,
  rows: fc.uniqueArray(fc.nat(all.limits.length - 1), { minLength: 1, maxLength: 4 }),
  amounts: fc.array(fc.nat(4), { minLength: 4, maxLength: 4 }),
  cost: fc.oneof(fc.constant(1), fc.integer({ min: 0, max: 40 })),
  settles: fc.option(fc.record({ which: fc.nat(5), factor: fc.constantFrom(0, 0.4, 1, 1.7, 30) })),
  looks: fc.boolean(),
})

function shown({ refusal, shadows, states, at }: Taking): object {
  const one = (of: { readonly use: LimitUse; readonly retryInMs: number | undefined }): object => ({
    name: of.use.name,
    retryInMs: of.retryInMs,
  })
  return {
    at,
    refusal: refusal && one(refusal),
    shadows: shadows.map(one),
    states: states.map(({ use, remaining, freesInMs }) => ({ name: use.name, remaining, freesInMs })),
  }
}

test.for([
  ['', all],
  [', in cells of each shape', notKept],
  [', over Valkey', overValkey],
] as const)(
  'decides as the limiter of one process does: refusal, remaining, Retry-After and what comes free%s',
  async ([, histories]) => {
    const { subject, limits, scale, numRuns, least } = histories
    const url = await histories.url()
    let compared = 0
    let refused = 0
    const run = async (steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[]) => {
      const time = beginTime()
      const { wall, steady } = time
      const memory = createInProcessLimiter({ clock: () => time.wall, monotonic: () => time.steady })
      const renewals: (() => void)[] = []
      const scheduler: Scheduler = {
        ...awaitedScheduler,
        after(after, work) {
          if (after !== 20_000) return awaitedScheduler.after(after, work)
          renewals.push(work)
          return () => {}
        },
      }
      const redis = await openRedisLimiter({
        scheduler,
        // What it decides is compared, and not how soon on a busy machine.
        deadlineMs: 5_000,
        ...createFleetStores(),
        url,
        deployment: randomUUID(),
        clocks: () => ({ steady: wall - steady + time.steady, wall: time.wall }),
      })
      let taken: { readonly uses: readonly LimitUse[]; readonly at: number }[] = []
      const settleBoth = async ({ uses, at }: (typeof taken)[number], factor: number): Promise<void> => {
        const costOf = ({ limit, cost }: LimitUse): number =>
          limit.kind === 'concurrent' ? 0 : Math.floor(cost * factor)
        // What is settled to itself changes only, in memory, the amount that is counted under.
        const changed = uses.filter((use) => costOf(use) !== use.cost)
        await memory.settle(changed, at, changed.map(costOf))
        await redis.settle(changed, at, changed.map(costOf))
        compared += 1
      }
      try {
        for (const { ms, rows, amounts, cost, settles, looks } of steps) {
          // A lease ends after a minute, unless it is renewed.
          if (ms >= 60_000) {
            for (const one of taken) await settleBoth(one, 1)
            taken = []
          }
          for (const renew of renewals.splice(0)) renew()
          time.wall += ms
          time.steady += ms
          // What is not used any more is forgotten in Redis by itself.
          memory.sweep()
          const known = new Set(rows.map((row) => row % limits.length))
          const uses = [...known].map((row, index) => {
            const texts = limits[row] ?? []
            const text = texts[(amounts[index] ?? 0) % texts.length] ?? ''
            const use = useOf(subject, text, text.includes('tokens') ? cost * scale : 1)
            return { ...use, cost: Math.min(use.cost, use.limit.amount) }
          })
          const call = looks ? 'peek' : 'take'
          const taking = await memory[call](uses)
          expect(shown(await redis[call](uses))).toEqual(shown(taking))
          compared += 1
          refused += taking.refusal === undefined ? 0 : 1
          if (!looks && taking.refusal === undefined) {
            const counted = uses.filter((use) => !taking.shadows.some((shadow) => shadow.use === use))
            taken.push({ uses: counted, at: taking.at })
          }
          const [settled] = settles === null ? [] : taken.splice(settles.which, 1)
          if (settles !== null && settled !== undefined) await settleBoth(settled, settles.factor)
        }
      } finally {
        await redis.close()
      }
    }
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), run), {
      numRuns,
      endOnFailure: true,
    })
    expect(compared).toBeGreaterThan(least.compared)
    expect(refused).toBeGreaterThan(least.refused)
  },
)
