import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { usesUnder } from '../../../test/contract/limiter.contract.ts'
import { Refusal } from '../../core/refusal.ts'
import { createInProcessLimiter } from '../in-process/in-process-limiter.ts'
import { type Costs, MeasuredCosts } from './costs.ts'
import { createTakeLimits } from './take-limits.ts'
import { noUsage, type Usage } from './usage.ts'

const measures = ['requests', 'tokens', 'images', 'constructor'] as const
const costs = fc.dictionary(fc.constantFrom(...measures), fc.nat(1_000))

/** What guards demand, one after the other, and then what a handler measures. */
const request = fc.record({
  demands: fc.array(costs, { minLength: 1, maxLength: 3 }),
  measured: fc.array(fc.tuple(fc.constantFrom('take' as const, 'settle' as const), costs), { maxLength: 6 }),
})
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never

/** What a request is recorded to have used, where these limits are the key's. */
async function usedUnder(limits: readonly string[], { demands, measured }: Request): Promise<Costs> {
  const time = (): number => 0
  const limiter = createInProcessLimiter({ clock: time, monotonic: time })
  const takeLimits = createTakeLimits(limiter, () => {})
  let usage: Usage = noUsage
  for (const demand of demands) {
    const taken = await takeLimits(usesUnder('key:a', limits, demand), usage, demand)
    if (taken instanceof Refusal) throw taken
    usage = taken
  }
  for (const [how, real] of measured) await usage[how](real)
  return { requests: 1, ...usage.used }
}

const withoutZeros = (used: Costs): Costs =>
  Object.fromEntries(Object.entries(used).filter(([, amount]) => amount > 0))

describe('what a request used', () => {
  test('does not depend on which limits there are: none, some, in shadow and full', async () => {
    await fc.assert(
      fc.asyncProperty(request, async (asked) => {
        const used = withoutZeros(await usedUnder([], asked))
        for (const limits of [
          ['1000000 tokens/min'],
          ['1000000/min', '1000000 images/h', '5 concurrent'],
          measures.map((measure) => `1000000 ${measure}/min`),
          measures.map((measure) => `shadow 1 ${measure}/min`),
        ])
          expect(withoutZeros(await usedUnder(limits, asked))).toEqual(used)
      }),
    )
  })

  test('of several demands is the most of each; what is taken comes to it, and what is settled stands for it', () => {
    const measured = new MeasuredCosts({ tokens: 500, concurrent: 0 })
    measured.demand({ tokens: 600, images: 1 })
    measured.demand({ tokens: 100 })
    expect(measured.costs).toEqual({ requests: 1, tokens: 600, images: 1 })
    measured.take({ images: 2, concurrent: 1 })
    measured.settle({ tokens: 40, concurrent: 1 })
    // A guard behind the handler that settled it demands no more than was demanded.
    measured.demand({ tokens: 600 })
    expect(measured.costs).toEqual({ requests: 1, tokens: 40, images: 3 })
  })

  test('is counted exactly: no sum is beyond what a record can say', () => {
    const measured = new MeasuredCosts()
    measured.take({ tokens: Number.MAX_SAFE_INTEGER })
    measured.take({ tokens: 5 })
    expect(measured.costs).toEqual({ requests: 1, tokens: Number.MAX_SAFE_INTEGER })
  })
})
