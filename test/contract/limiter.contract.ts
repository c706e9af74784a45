import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { type LimitSetting, parseLimitSetting } from '../../src/limits/limit-setting.ts'
import { namedLimits, usesOf } from '../../src/limits/limit-uses.ts'
import type { Limiter, LimitScope, LimitUse } from '../../src/limits/limiter.ts'
import type { Costs } from '../../src/limits/usage/costs.ts'

/** A limiter under test and its two clocks, in milliseconds. */
export interface OpenedLimiter {
  readonly limiter: Limiter
  readonly time: { wall: number; steady: number }
  /** Does what a timer of the limiter's would have done by now. @default it has none */
  readonly runTimers?: () => void
}

export type OpenLimiter = () => Promise<OpenedLimiter>

const begin = Date.UTC(2026, 0, 31, 23, 59, 0)

/** What a request uses of a limit, `key:a 10/min`; requests cost one. */
export function useOf(subject: string, text: string, cost = 1): LimitUse {
  const measure = settingOf(text).limit.measure
  return usesUnder(subject, [text], { [measure]: cost })[0] as LimitUse
}

/** What a request of these costs uses of a subject's limits. */
export function usesUnder(subject: string, texts: readonly string[], costs: Costs): readonly LimitUse[] {
  const scope = (subject.split(':')[0] ?? '') as LimitScope
  return usesOf(namedLimits(scope, subject, texts.map(settingOf)), costs)
}

function settingOf(text: string): LimitSetting {
  const setting = parseLimitSetting(text)
  if (typeof setting === 'string') throw new Error(setting)
  return setting
}

/** The promises of `Limiter`, for every limiter. */
export function describeLimiter(name: string, open: OpenLimiter): void {
  describe(`limiter: ${name}`, () => {
    let limiter: Limiter
    let time: OpenedLimiter['time']
    beforeEach(async () => {
      ;({ limiter, time } = await open())
    })
    const pass = (ms: number): void => {
      time.wall += ms
      time.steady += ms
    }
    const takes = async (...uses: readonly LimitUse[]): Promise<boolean> =>
      (await limiter.take(uses)).refusal === undefined
    const left = async (use: LimitUse): Promise<number | undefined> =>
      (await limiter.peek([use])).states[0]?.remaining

    test('takes up to the amount and refuses beyond, until the first use leaves the window', async () => {
      const use = useOf('key:a', '2/min')
      expect([await takes(use), await takes(use), await takes(use)]).toEqual([true, true, false])
      const refused = await limiter.take([use])
      expect(refused.refusal).toMatchObject({ use, retryInMs: 60_000 })
      expect(refused.states).toMatchObject([{ remaining: 0, freesInMs: 60_000 }])
      pass(59_999)
      expect(await takes(use)).toBe(false)
      pass(1)
      expect(await takes(use)).toBe(true)
    })

    test('counts each subject by itself, and what has one name together', async () => {
      expect(await takes(useOf('key:a', '1/min'), useOf('owner:o', '2/min'))).toBe(true)
      expect(await takes(useOf('key:b', '1/min'), useOf('owner:o', '2/min'))).toBe(true)
      expect(await takes(useOf('key:c', '1/min'), useOf('owner:o', '2/min'))).toBe(false)
      expect(await takes(useOf('key:c', '1/min'))).toBe(true)
    })

    test.each([
      ['3/min', '5/min'],
      ['3/calendar month', '5/calendar month'],
      ['3 concurrent', '5 concurrent'],
      ['3/h', '100/h'],
      ['100/h', '3/h'],
      ['5/min', '2/min'],
      ['200/min', '100/min'],
    ])('an amount that changes from %s to %s keeps what was used, and back', async (before, after) => {
      const [first, second] = [useOf('key:a', before), useOf('key:a', after)]
      for (let taken = 0; taken < 3; taken += 1) expect(await takes(first)).toBe(true)
      expect(await left(second)).toBe(Math.max(0, second.limit.amount - 3))
      if (second.limit.amount > 3) expect(await takes(second)).toBe(true)
      const used = second.limit.amount > 3 ? 4 : 3
      expect(await left(first)).toBe(Math.max(0, first.limit.amount - used))
      expect(await left(second)).toBe(Math.max(0, second.limit.amount - used))
    })

    test.each(['3/min', '100/h', '3/calendar month'])(
      'a reset of %s forgets what was used, and what was taken before gives nothing back',
      async (text) => {
        const use = useOf('key:a', text)
        const other = useOf('key:b', text)
        const before = await limiter.take([use, other])
        await limiter.reset([use])
        expect(await left(use)).toBe(use.limit.amount)
        expect(await left(other)).toBe(use.limit.amount - 1)
        expect(await takes(use)).toBe(true)
        await limiter.settle([use, other], before.at, [0, 0])
        expect(await left(use)).toBe(use.limit.amount - 1)
        expect(await left(other)).toBe(use.limit.amount)
      },
    )

    test('a reset leaves counted what is under way at once', async () => {
      const use = useOf('key:a', '1 concurrent')
      const { at } = await limiter.take([use])
      await limiter.reset([use])
      expect(await takes(use)).toBe(false)
      await limiter.settle([use], at, [0])
      expect(await takes(use)).toBe(true)
    })

    test('takes all or nothing: a refused request consumes nothing of any limit', async () => {
      const wide = useOf('key:a', '10/min')
      const narrow = useOf('key:a', '1/h')
      expect(await takes(wide, narrow)).toBe(true)
      for (let again = 0; again < 5; again += 1) expect(await takes(wide, narrow)).toBe(false)
      expect([await left(wide), await left(narrow)]).toEqual([9, 0])
    })

    test('names the limit that passes last, and the moment it names is the first', async () => {
      const [short, long] = [useOf('key:a', '1/10s'), useOf('key:a', '1/min')]
      expect(await takes(short, long)).toBe(true)
      pass(1_000)
      const { refusal } = await limiter.take([short, long])
      expect(refusal).toMatchObject({ use: long, retryInMs: 59_000 })
      pass(58_999)
      expect(await takes(short, long)).toBe(false)
      pass(1)
      expect(await takes(short, long)).toBe(true)
    })

    test('a day and a month begin anew at their boundary, UTC, and not before', async () => {
      const [day, month] = [useOf('key:a', '1/calendar day'), useOf('key:a', '2/calendar month')]
      expect(await takes(day, month)).toBe(true)
      expect((await limiter.take([day, month])).refusal).toMatchObject({ use: day, retryInMs: 60_000 })
      pass(59_999)
      expect(await takes(day)).toBe(false)
      pass(1)
      // It is February now.
      expect(await left(month)).toBe(2)
      expect(await takes(day, month)).toBe(true)
    })

    test('a wall clock that jumps neither opens a window nor closes it for longer, and a day that is set back stays used', async () => {
      const [window, day] = [useOf('key:a', '1/min'), useOf('key:a', '1/calendar day')]
      expect(await takes(window, day)).toBe(true)
      time.wall -= 3_600_000
      expect([await takes(window), await takes(day)]).toEqual([false, false])
      time.wall += 10 * 86_400_000
      expect(await takes(window)).toBe(false)
      time.wall -= 10 * 86_400_000
      time.steady += 60_000
      expect(await takes(window)).toBe(true)
    })

    test('so many at once, until one ends', async () => {
      const use = useOf('key:a', '2 concurrent')
      const first = await limiter.take([use])
      expect(await takes(use)).toBe(true)
      const { refusal } = await limiter.take([use])
      expect(refusal).toEqual({ use, retryInMs: undefined })
      await limiter.settle([use], first.at, [0])
      expect([await takes(use), await takes(use)]).toEqual([true, false])
    })

    test('what was reserved is settled to the real figure, less or more', async () => {
      const use = useOf('key:a', '1000 tokens/min', 500)
      const first = await limiter.take([use])
      expect(await left(use)).toBe(500)
      await limiter.settle([use], first.at, [100])
      expect(await left(use)).toBe(900)
      const second = await limiter.take([use])
      await limiter.settle([use], second.at, [1_200])
      expect(await left(use)).toBe(0)
      expect((await limiter.take([use])).refusal?.retryInMs).toBeGreaterThan(0)
    })

    test('a limit in shadow refuses no request, reports, and counts only what it would have let in', async () => {
      const [shadow, real] = [useOf('key:a', 'shadow 1/min'), useOf('key:a', '3/min')]
      expect((await limiter.take([shadow, real])).shadows).toEqual([])
      const second = await limiter.take([shadow, real])
      expect(second.refusal).toBeUndefined()
      expect(second.shadows).toMatchObject([{ use: shadow, retryInMs: 60_000 }])
      pass(60_000)
      expect((await limiter.take([shadow, real])).shadows).toEqual([])
    })

    test.each(['2/min', '2/h', '2/calendar month', '2 concurrent', '2 characters/h'])(
      'a limit of %s in shadow, and that of a subject whose name ends as if it were, count apart',
      async (text) => {
        // Each names the other, where the mark of a shadow stands beside the name.
        const window = text.replace(/^2 ?/, '')
        const subjects = ['owner:a', 'owner:a shadow', 'owner:a shadow shadow', `owner:a ${window}`]
        const uses = subjects.flatMap((subject) => [useOf(subject, text), useOf(subject, `shadow ${text}`)])
        expect(await takes(...uses)).toBe(true)
        // What a folder and a database have kept of limits that refuse is found under this name.
        expect(uses[0]?.counter).toBe(`owner:a ${window}`)
        for (const use of uses) expect([use.counter, await left(use)]).toEqual([use.counter, 1])
        await limiter.reset(uses.filter(({ isShadow }) => isShadow))
        for (const use of uses.filter(({ isShadow }) => !isShadow)) expect(await left(use)).toBe(1)
      },
    )

    test('looking takes nothing', async () => {
      const use = useOf('key:a', '1/min')
      for (let again = 0; again < 3; again += 1)
        expect(await limiter.peek([use])).toMatchObject({ refusal: undefined, states: [{ remaining: 1 }] })
      expect(await takes(use)).toBe(true)
      expect((await limiter.peek([use])).refusal).toMatchObject({ use })
    })

    test('a thousand at once get exactly what there is', async () => {
      const use = useOf('key:a', '100/min')
      const outcomes = await Promise.all(Array.from({ length: 1_000 }, () => takes(use)))
      expect(outcomes.filter(Boolean)).toHaveLength(100)
    })

    test('agrees with plain lists of times, whatever limits a request meets and however they are settled', async () => {
      const texts = ['3/10s', '5/min', '7 tokens/30s', '2 concurrent']
      const step = fc.record({
        ms: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 12_000 })),
        which: fc.subarray([0, 1, 2, 3], { minLength: 1 }),
        tokens: fc.integer({ min: 0, max: 4 }),
        ends: fc.boolean(),
      })
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const opened = await open()
          const model = texts.map(() => [] as number[])
          let now = 0
          for (const { ms, which, tokens, ends } of steps) {
            opened.time.steady += ms
            opened.time.wall += ms
            now += ms
            opened.runTimers?.()
            const uses = which.map((index) => useOf('key:a', texts[index] ?? '', index === 2 ? tokens : 1))
            const fits = uses.every(({ limit, cost }, at) => {
              const times = model[which[at] ?? 0] ?? []
              const counted =
                limit.kind === 'window' ? times.filter((time) => time > now - limit.windowMs) : times
              return cost === 0 || counted.length + cost <= limit.amount
            })
            const taking = await opened.limiter.take(uses)
            expect(taking.refusal === undefined).toBe(fits)
            if (!fits) continue
            for (const [at, use] of uses.entries())
              for (let one = 0; one < use.cost; one += 1) model[which[at] ?? 0]?.push(now)
            if (!ends) continue
            await opened.limiter.settle(
              uses,
              taking.at,
              uses.map(() => 0),
            )
            for (const [at, use] of uses.entries()) model[which[at] ?? 0]?.splice(-use.cost, use.cost)
          }
        }),
        { numRuns: 300 },
      )
    })
  })
}

/** Where the clocks of a limiter under test stand at first: a minute before a month ends. */
export function beginTime(): OpenedLimiter['time'] {
  return { wall: begin, steady: 0 }
}
