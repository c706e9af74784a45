import { describe, expect, test, vi } from 'vitest'
import { useOf } from '../../../test/contract/limiter.contract.ts'
import { Refusal } from '../../core/refusal.ts'
import { createInProcessLimiter } from '../in-process/in-process-limiter.ts'
import type { LimitUse } from '../limiter.ts'
import { createTakeLimits, type LimitsTaken } from './take-limits.ts'
import { TakenReservation } from './taken-reservation.ts'
import { UncountedUsage } from './uncounted-usage.ts'
import { noUsage, type Usage } from './usage.ts'

function open() {
  const time = { now: 0 }
  const limiter = createInProcessLimiter({ clock: () => time.now, monotonic: () => time.now })
  const shadows: string[] = []
  const takeFrom = createTakeLimits(limiter, ({ use }) => shadows.push(use.name))
  /** As an exchange does, for each guard of a request. */
  const takeLimits = async (request: { usage?: Usage }, uses: readonly LimitUse[]): Promise<LimitsTaken> => {
    const taken = await takeFrom(uses, request.usage ?? noUsage)
    request.usage = taken instanceof Refusal ? noUsage : taken
    return taken
  }
  const take = (...uses: readonly LimitUse[]): Promise<LimitsTaken> | LimitsTaken => takeLimits({}, uses)
  const left = async (use: LimitUse) => (await limiter.peek([{ ...use, cost: 0 }])).states[0]?.remaining
  return { time, takeLimits, take, left, shadows, limiter }
}

function usageOf(taken: LimitsTaken): Usage {
  if (taken instanceof Refusal) throw taken
  return taken
}

describe('a refusal', () => {
  test('names the limit, whose it is and when the same request would pass', async () => {
    const { take, time } = open()
    const use = useOf('owner:acme', '1/min')
    usageOf(await take(use))
    time.now += 500
    const refusal = await take(use)
    expect(refusal).toMatchObject({ code: 'rate_limited', status: 429 })
    expect(refusal).toMatchObject({
      message: 'The limit of its owner, 1/min, is used up; try again in 60 s.',
      headers: { 'retry-after': '60', ratelimit: '"owner-minute";r=0;t=60' },
    })
  })

  test.each([
    ['1/calendar day', 'quota_exhausted'],
    ['1 concurrent', 'concurrency_limited'],
  ])('of %s is %s, with a Retry-After', async (text, code) => {
    const { take } = open()
    usageOf(await take(useOf('key:a', text)))
    const refusal = await take(useOf('key:a', text))
    expect(refusal).toMatchObject({ code, status: 429 })
    expect(Number((refusal as Refusal).headers['retry-after'])).toBeGreaterThan(0)
  })

  test('of what costs more than the limit allows at all is no matter of time, and names no moment', async () => {
    const { take, left } = open()
    const use = useOf('key:a', '100 characters/min', 101)
    const refusal = await take(useOf('key:a', '10/min'), use)
    expect(refusal).toMatchObject({ code: 'input_invalid', status: 422, headers: {} })
    expect(await left(useOf('key:a', '10/min'))).toBe(10)
  })
})

describe('usage', () => {
  test('is settled without asking how limits stand once nothing reads that: in a fleet, one way to Redis less', async () => {
    const { take, left, limiter } = open()
    const tokens = useOf('key:a', '1000 tokens/min', 600)
    const usage = usageOf(await take(tokens))
    const asked = vi.spyOn(limiter, 'peek')
    await usage.settle({ tokens: 500 })
    expect(asked).toHaveBeenCalledTimes(1)
    usage.endStates()
    await usage.settle({ tokens: 400 })
    expect(asked).toHaveBeenCalledTimes(1)
    expect(await left(tokens)).toBe(600)
  })

  test('a real figure counts where nothing was estimated before', async () => {
    const { take, left } = open()
    const tokens = useOf('key:a', '1000 tokens/min', 0)
    const usage = usageOf(await take(useOf('key:a', '10/min'), tokens))
    await usage.settle({ tokens: 40 })
    expect(await left(tokens)).toBe(960)
    await usage.settle({ tokens: 50 })
    expect(await left(tokens)).toBe(950)
    expect(await left(useOf('key:a', '10/min'))).toBe(9)
  })

  test('the second guard of a request takes what it costs beyond the first, and the whole is settled together', async () => {
    const { takeLimits, left } = open()
    const request = {}
    const tokens = useOf('key:a', '1000 tokens/min', 0)
    usageOf(await takeLimits(request, [tokens]))
    const usage = usageOf(await takeLimits(request, [{ ...tokens, cost: 600 }]))
    expect(usage.states).toHaveLength(1)
    expect(await left(tokens)).toBe(400)
    usageOf(await takeLimits(request, [{ ...tokens, cost: 600 }]))
    expect(await left(tokens)).toBe(400)
    await usage.settle({ tokens: 40 })
    expect(await left(tokens)).toBe(960)
  })

  test('what the first guard of a request took is given back where the second refuses', async () => {
    const { takeLimits, left } = open()
    const [own, atOnce, route] = [
      useOf('key:a', '10/min'),
      useOf('key:a', '2 concurrent'),
      useOf('route:r:key:a', '1/h'),
    ] as const
    usageOf(await takeLimits({}, [route]))
    const request = {}
    usageOf(await takeLimits(request, [own, atOnce]))
    expect(await takeLimits(request, [own, atOnce, route])).toMatchObject({ code: 'rate_limited' })
    expect(await left(own)).toBe(10)
    expect(await left(atOnce)).toBe(2)
  })

  test('two guards of one request take each limit once', async () => {
    const { takeLimits, left } = open()
    const head = {}
    const [key, route] = [useOf('key:a', '10/min'), useOf('route:r:key:a', '5/min')]
    const outer = usageOf(await takeLimits(head, [key]))
    const inner = usageOf(await takeLimits(head, [key, route]))
    expect([await left(key), await left(route)]).toEqual([9, 4])
    expect(inner.states.map(({ use }) => use.name)).toEqual([key.name, route.name])
    await inner.giveBack()
    expect([await left(key), await left(route)]).toEqual([10, 5])
    expect(outer.isOpen).toBe(false)
  })

  test('takes what is known only later; where that does not fit, all that the request took is given back', async () => {
    const { take, left } = open()
    const [requests, characters] = [useOf('key:a', '10/min'), useOf('key:a', '100 characters/min', 0)]
    const first = usageOf(await take(requests, characters))
    expect(first.counts('characters')).toBe(true)
    expect(first.counts('tokens')).toBe(false)
    expect(await first.take({ characters: 60 })).toBeUndefined()
    expect(first.headers).toMatchObject({ ratelimit: expect.stringContaining('"minute-characters";r=40') })
    const second = usageOf(await take(requests, characters))
    expect(await second.take({ characters: 41 })).toMatchObject({ code: 'rate_limited' })
    expect([await left(requests), await left(characters)]).toEqual([9, 40])
    expect(await second.take({ characters: 101 })).toMatchObject({ code: 'input_invalid' })
  })

  test('an estimate is settled to the real figure, and stays settled when the client goes away afterwards', async () => {
    const { take, left } = open()
    const tokens = useOf('key:a', '1000 tokens/min', 500)
    const usage = usageOf(await take(tokens))
    expect(usage.isOpen).toBe(true)
    await usage.settle({ tokens: 120 })
    expect(await left(tokens)).toBe(880)
    await usage.end('aborted')
    expect(await left(tokens)).toBe(880)
  })

  test('what was taken counts from when it was taken, however late it is settled; only what is more counts from then', async () => {
    const { take, left, time } = open()
    const tokens = useOf('key:a', '1000 tokens/min', 0)
    const usage = usageOf(await take(useOf('key:a', '10/min'), tokens))
    expect(await usage.take({ tokens: 300 })).toBeUndefined()
    time.now += 50_000
    await usage.settle({ tokens: 200 })
    expect(usage.used['tokens']).toBe(200)
    expect(await left(tokens)).toBe(800)
    const more = usageOf(await take(tokens))
    expect(await more.take({ tokens: 100 })).toBeUndefined()
    expect(await more.take({ tokens: 100 })).toBeUndefined()
    await more.settle({ tokens: 250 })
    expect(await left(tokens)).toBe(550)
    time.now += 11_000
    expect(await left(tokens)).toBe(750)
    time.now += 50_000
    expect(await left(tokens)).toBe(1_000)
  })

  test('an abort gives back an estimate that was not settled, and an answer keeps it', async () => {
    const { take, left } = open()
    const tokens = useOf('key:a', '1000 tokens/min', 500)
    await usageOf(await take(tokens)).end('aborted')
    expect(await left(tokens)).toBe(1_000)
    await usageOf(await take(tokens)).end('answered')
    expect(await left(tokens)).toBe(500)
  })

  test('what is counted at once comes free once, however often the end is told', async () => {
    const { take, left } = open()
    const use = useOf('key:a', '2 concurrent')
    const [first, second] = [usageOf(await take(use)), usageOf(await take(use))]
    expect(await left(use)).toBe(0)
    await first.end('answered')
    await first.end('aborted')
    expect(await left(use)).toBe(1)
    await second.end('aborted')
    expect(await left(use)).toBe(2)
  })

  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])(
    'a cost of %f is a mistake of the program',
    async (cost) => {
      const { take } = open()
      const usage = usageOf(await take(useOf('key:a', '100 tokens/min', 10)))
      await expect(async () => usage.take({ tokens: cost })).rejects.toThrow(TypeError)
      await expect(async () => usage.settle({ tokens: cost })).rejects.toThrow(TypeError)
    },
  )

  test('a limit in shadow lets in, tells, and takes nothing it would have refused', async () => {
    const { take, left, shadows } = open()
    const use = useOf('key:a', 'shadow 1/min')
    usageOf(await take(use))
    const second = usageOf(await take(use))
    expect(shadows).toEqual([use.name])
    await second.giveBack()
    expect(await left(use)).toBe(0)
  })
})

describe('what a usage hands over', () => {
  const tokens = useOf('key:a', '100 tokens/h', 0)

  test('is settled by its taker alone, whatever becomes of the request, and of JSON as well', async () => {
    const { take, left, limiter } = open()
    const usage = usageOf(await take(useOf('key:a', '10/min'), tokens))
    expect(await usage.take({ tokens: 60, prompt_tokens: 60 })).toBeUndefined()
    const parts = JSON.parse(JSON.stringify(usage.handOver(['tokens', 'prompt_tokens']).parts))
    expect(usage.used).toEqual({ requests: 1 })
    await usage.settle({ tokens: 0 })
    await usage.giveBack()
    expect([await left(tokens), await left(useOf('key:a', '10/min'))]).toEqual([40, 10])
    await new TakenReservation({ costs: { tokens: 60 }, parts, limiter }).settle({ tokens: 25 })
    expect(await left(tokens)).toBe(75)
  })

  test('updates the status of its usage where it is settled here', async () => {
    const { take, left } = open()
    const usage = usageOf(await take(tokens))
    await usage.take({ tokens: 60 })
    await usage.handOver(['tokens']).settle({ tokens: 0 })
    expect(await left(tokens)).toBe(100)
    expect(usage.states[0]?.remaining).toBe(100)
  })

  test('is what was measured, where no limit counts it', () => {
    const usage = new UncountedUsage()
    usage.take({ tokens: 60 })
    expect(usage.handOver(['tokens'])).toMatchObject({ used: { tokens: 60 }, parts: [] })
    expect(usage.used).toEqual({ requests: 1 })
  })
})
