import { expect, test } from 'vitest'
import { useOf } from '../../test/contract/limiter.contract.ts'
import { createTestTime, type TestTime } from '../../test/support/test-time.ts'
import { Fault } from '../core/fault.ts'
import { type FailMode, withFailMode } from './fail-mode.ts'
import { createInProcessLimiter } from './in-process/in-process-limiter.ts'
import type { Limiter, Taking } from './limiter.ts'

const unavailable = { name: 'Fault', code: 'limiter_unavailable' }
const use = useOf('key:a', '10/min')

function rejecting(): Promise<never> {
  return Promise.reject(new Fault('limiter_unavailable', 'gone'))
}

/** A limiter that cannot be reached, and how often that was noticed. */
function setUp(fail: (time: TestTime) => FailMode, remote: Partial<Limiter> = {}) {
  const time = createTestTime()
  const degraded: unknown[] = []
  const limiter = withFailMode(
    {
      take: rejecting,
      peek: rejecting,
      settle: rejecting,
      reset: rejecting,
      close: async () => {},
      ...remote,
    },
    {
      fail: fail(time),
      scheduler: time.scheduler,
      clock: time.clock,
      onDegraded: (fault) => degraded.push(fault),
    },
  )
  return { limiter, time, degraded }
}

function shareOf(nodes: number): (time: TestTime) => FailMode {
  return ({ clock }) => ({
    mode: 'share',
    local: createInProcessLimiter({ clock, monotonic: clock }),
    nodes: () => nodes,
  })
}

async function countPassed(limiter: Limiter, tries: number, of = use): Promise<number> {
  let passed = 0
  for (let n = 0; n < tries; n += 1) if ((await limiter.take([of])).refusal === undefined) passed += 1
  return passed
}

test('a limiter that answers at once is passed through at once, without a timer', async () => {
  const memory = createInProcessLimiter()
  const { limiter, time } = setUp(() => ({ mode: 'open' }), memory)
  const taking = limiter.take([use]) as Taking
  expect(taking).not.toBeInstanceOf(Promise)
  expect(taking.states).toMatchObject([{ remaining: 9 }])
  expect(limiter.settle([use], taking.at, [0])).toBeUndefined()
  expect((limiter.peek([use]) as Taking).states).toMatchObject([{ remaining: 10 }])
  expect(time.started).toEqual([])
})

test('closed: what is out of reach is a fault, and so is what does not answer within the deadline', async () => {
  const { limiter } = setUp(() => ({ mode: 'closed' }))
  await expect(limiter.take([use])).rejects.toMatchObject(unavailable)
  await expect(limiter.peek([use])).rejects.toMatchObject(unavailable)
  const settled: unknown[] = []
  const hung = Promise.withResolvers<Taking>()
  const hanging = setUp(() => ({ mode: 'closed' }), {
    take: () => hung.promise,
    settle: (_uses, at, costs) => void settled.push([at, costs]),
  })
  const taking = Promise.resolve(hanging.limiter.take([use])).catch((fault: unknown) => fault)
  await hanging.time.pass(249)
  expect(hanging.time.timers()).toBe(1)
  await hanging.time.pass(1)
  expect(await taking).toMatchObject(unavailable)
  // What it has taken all the same, after its request was refused, is given back.
  hung.resolve({ refusal: undefined, shadows: [], states: [], at: 7 })
  await hanging.time.settle()
  expect(settled).toEqual([[7, [0]]])
})

test('open: requests pass uncounted, each is reported, and nothing is settled', async () => {
  const { limiter, degraded } = setUp(() => ({ mode: 'open' }))
  expect(await countPassed(limiter, 30)).toBe(30)
  expect(degraded).toHaveLength(30)
  const { at, states } = await limiter.take([use])
  expect(states).toEqual([{ use, remaining: 10, freesInMs: 0 }])
  expect(await limiter.settle([use], at, [0])).toBeUndefined()
})

test('share: each node admits its share of the limit, and answers as of the whole', async () => {
  const { limiter, degraded } = setUp(shareOf(3))
  expect(await countPassed(limiter, 10)).toBe(3)
  expect(degraded).toHaveLength(10)
  const { refusal, states, at } = await limiter.take([use])
  expect(refusal?.use).toBe(use)
  expect(states).toMatchObject([{ use, remaining: 0 }])
  expect(at).toBeGreaterThan(0)
})

test('share: what was taken is given back where it was counted', async () => {
  const { limiter } = setUp(shareOf(3))
  const slots = useOf('key:a', '6 concurrent')
  const { at } = await limiter.take([slots])
  await limiter.take([slots])
  expect(await countPassed(limiter, 1, slots)).toBe(0)
  await limiter.settle([slots], at, [0])
  expect(await countPassed(limiter, 2, slots)).toBe(1)
})

test('share: a limit below the number of nodes is closed', async () => {
  const { limiter } = setUp(shareOf(11))
  await expect(limiter.take([use])).rejects.toMatchObject(unavailable)
})

test.each(['open', 'share'] as const)(
  '%s: quotas and windows of an hour and more are closed',
  async (mode) => {
    const { limiter, degraded } = setUp(mode === 'open' ? () => ({ mode }) : shareOf(1))
    for (const long of ['1000/h', '1000/day', '1000/calendar month'])
      await expect(limiter.take([use, useOf('key:a', long)])).rejects.toMatchObject(unavailable)
    expect(degraded).toEqual([])
  },
)

test('a defect is no outage: it is rejected in every mode', async () => {
  const { limiter } = setUp(() => ({ mode: 'open' }), { take: () => Promise.reject(new TypeError('oops')) })
  await expect(limiter.take([use])).rejects.toThrow('oops')
})
