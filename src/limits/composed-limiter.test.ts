import fc from 'fast-check'
import { expect, test } from 'vitest'
import { useOf } from '../../test/contract/limiter.contract.ts'
import { Fault } from '../core/fault.ts'
import { createComposedLimiter } from './composed-limiter.ts'
import { createInProcessLimiter } from './in-process/in-process-limiter.ts'
import type { Limiter, LimitUse } from './limiter.ts'

const texts = [
  '3/10s',
  '5/min',
  '4 concurrent',
  '6/calendar day',
  '9/calendar month',
  '20 tokens/calendar day',
]
const begin = Date.UTC(2026, 0, 31, 23, 59, 30)

const steps = fc.array(
  fc.oneof(
    fc.record({
      step: fc.constant('take' as const),
      which: fc.uniqueArray(fc.nat(texts.length - 1), { minLength: 1, maxLength: 4 }),
      cost: fc.integer({ min: 1, max: 3 }),
    }),
    fc.record({
      step: fc.constant('settle' as const),
      taking: fc.nat(20),
      cost: fc.integer({ min: 0, max: 3 }),
    }),
    fc.record({ step: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 9_000 }) }),
  ),
  { maxLength: 50 },
)

test('decides as one limiter does, whatever is taken, settled and refused, across midnight too', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const time = { now: begin }
      const create = (): Limiter =>
        createInProcessLimiter({ clock: () => time.now, monotonic: () => time.now })
      const one = create()
      const composed = createComposedLimiter({ windows: create(), quotas: create() })
      const taken: {
        readonly uses: readonly LimitUse[]
        readonly at: readonly [number, number]
        isOpen: boolean
      }[] = []
      for (const step of history) {
        if (step.step === 'pass') time.now += step.ms
        if (step.step === 'take') {
          const uses = step.which.map((index) => useOf('key:a', texts[index] ?? '', step.cost))
          const [expected, got] = [await one.take(uses), await composed.take(uses)]
          expect(got.refusal?.retryInMs).toEqual(expected.refusal?.retryInMs)
          expect(got.states).toEqual(expected.states)
          if (got.refusal === undefined) taken.push({ uses, at: [expected.at, got.at], isOpen: true })
        }
        if (step.step === 'settle') {
          const taking = taken[step.taking]
          if (taking?.isOpen !== true) continue
          taking.isOpen = false
          const costs = taking.uses.map(() => step.cost)
          await one.settle(taking.uses, taking.at[0], costs)
          await composed.settle(taking.uses, taking.at[1], costs)
        }
        const all = texts.map((text) => useOf('key:a', text, 0))
        expect((await composed.peek(all)).states).toEqual((await one.peek(all)).states)
      }
    }),
    { numRuns: 300 },
  )
})

const both = [useOf('key:a', '5/min'), useOf('key:a', '2/calendar day')]

test('a quota that refuses gives the window back', async () => {
  const windows = createInProcessLimiter()
  const limiter = createComposedLimiter({ windows, quotas: createInProcessLimiter() })
  for (let n = 0; n < 4; n += 1) await limiter.take(both)
  expect((await limiter.take(both)).refusal?.use).toBe(both[1])
  expect((await windows.peek(both.slice(0, 1))).states).toMatchObject([{ remaining: 3 }])
})

test('quotas that cannot be counted are a fault, and the window is given back', async () => {
  const windows = createInProcessLimiter()
  const take = (): Promise<never> => Promise.reject(new Fault('limiter_unavailable', 'gone'))
  const limiter = createComposedLimiter({ windows, quotas: { ...createInProcessLimiter(), take } })
  await expect(limiter.take(both)).rejects.toMatchObject({ code: 'limiter_unavailable' })
  expect((await windows.peek(both.slice(0, 1))).states).toMatchObject([{ remaining: 5 }])
})

test('a slot comes free though the quotas cannot be settled', async () => {
  const slots = useOf('key:a', '1 concurrent')
  const settle = (): Promise<never> => Promise.reject(new Fault('limiter_unavailable', 'gone'))
  const windows = createInProcessLimiter()
  const limiter = createComposedLimiter({ windows, quotas: { ...createInProcessLimiter(), settle } })
  const uses = [slots, useOf('key:a', '9 tokens/calendar day')]
  const { at } = await limiter.take(uses)
  await expect(limiter.settle(uses, at, [0, 0])).rejects.toMatchObject({ code: 'limiter_unavailable' })
  expect((await windows.peek([slots])).states).toMatchObject([{ remaining: 1 }])
})
