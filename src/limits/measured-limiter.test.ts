import { describe, expect, test } from 'vitest'
import { useOf } from '../../test/contract/limiter.contract.ts'
import { Fault } from '../core/fault.ts'
import { noMeasures } from '../telemetry/measures.ts'
import { createInProcessLimiter } from './in-process/in-process-limiter.ts'
import type { Limiter, Taking } from './limiter.ts'
import { measureLimiter } from './measured-limiter.ts'

const use = useOf('key:a', '10/min')

function setUp(behind: Partial<Limiter> = {}) {
  const told = { takes: 0, failures: 0 }
  const measured = measureLimiter({ ...createInProcessLimiter(), ...behind }, 'memory', {
    ...noMeasures,
    isOn: true,
    limiterTake() {
      told.takes += 1
    },
    limiterFailed() {
      told.failures += 1
    },
  })
  return { measured, told }
}

const calls = {
  take: ({ take }: Limiter) => take([use]),
  settle: ({ settle }: Limiter) => settle([use], 0, [0]),
  peek: ({ peek }: Limiter) => peek([use]),
  reset: ({ reset }: Limiter) => reset([use]),
} as const

const names = Object.keys(calls) as readonly (keyof typeof calls)[]
const fault = new Fault('limiter_unavailable', 'gone')

function throwFault(): never {
  throw fault
}

describe.each(names)('a limiter whose `%s`', (name) => {
  test('throws at once is counted, and what it threw is thrown on', () => {
    const { measured, told } = setUp({ [name]: throwFault })
    expect(() => calls[name](measured)).toThrow(fault)
    expect(told).toEqual({ takes: name === 'take' ? 1 : 0, failures: 1 })
  })

  test('rejects is counted, and what it rejected with is passed on', async () => {
    const { measured, told } = setUp({ [name]: async () => throwFault() })
    await expect(calls[name](measured)).rejects.toBe(fault)
    expect(told).toEqual({ takes: name === 'take' ? 1 : 0, failures: 1 })
  })

  test('succeeds is not, and answers at once where the limiter does', async () => {
    const { measured, told } = setUp()
    expect(calls[name](measured)).not.toBeInstanceOf(Promise)
    expect(told).toEqual({ takes: name === 'take' ? 1 : 0, failures: 0 })
  })
})

test('a limiter that refuses has not failed', async () => {
  const { measured, told } = setUp()
  for (let taken = 0; taken < 11; taken += 1) await measured.take([use])
  expect(((await measured.take([use])) as Taking).refusal).toBeDefined()
  expect(told).toEqual({ takes: 12, failures: 0 })
})
