import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ByteBudget } from './byte-budget.ts'

const max = 1_000

describe('a budget of bytes', () => {
  test('lets an owner hold as much as is free: half of it alone, a third each of two', () => {
    const budget = new ByteBudget(max)
    const first = budget.lease('a')
    first.hold(1)
    budget.lease('a').hold(499)
    expect(() => budget.lease('a').hold(1)).toThrow(expect.objectContaining({ code: 'overloaded' }))
    budget.lease('b').hold(250)
    expect(() => budget.lease('b').hold(1)).toThrow('memory')
    expect(() => budget.lease('c').hold(125)).not.toThrow()
  })

  test('holds what a lease says last, and nothing once it is released', () => {
    const budget = new ByteBudget(max)
    const lease = budget.lease('a')
    lease.hold(300)
    lease.hold(100)
    expect(budget.held).toBe(100)
    budget.lease('a').hold(300)
    // Where it does not fit it stays as it was.
    expect(() => lease.hold(500)).toThrow('memory')
    expect([lease.bytes, budget.held]).toEqual([100, 400])
    lease.release()
    lease.release()
    expect([lease.bytes, budget.held]).toEqual([0, 300])
  })

  test('has room for a request that is alone, however large it is', () => {
    const budget = new ByteBudget(max)
    const lease = budget.lease('a')
    lease.hold(10 * max)
    expect(() => budget.lease('b').hold(1)).toThrow('memory')
    lease.release()
    expect(() => budget.lease('b').hold(1)).not.toThrow()
  })

  test('never holds more than it has but of one request, and leaves others room', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            owner: fc.constantFrom('a', 'b', 'c', 'd'),
            lease: fc.nat(5),
            bytes: fc.nat(700),
          }),
          { maxLength: 60 },
        ),
        (steps) => {
          const budget = new ByteBudget(max)
          const leases = new Map<string, ReturnType<ByteBudget['lease']>>()
          for (const { owner, lease: name, bytes } of steps) {
            const id = `${owner}${name}`
            const lease = leases.get(id) ?? budget.lease(owner)
            leases.set(id, lease)
            try {
              lease.hold(bytes)
            } catch {}
            const held = [...leases.values()].map((each) => each.bytes)
            expect(budget.held).toBe(held.reduce((sum, each) => sum + each, 0))
            const withMany = held.filter((each) => each > 0).length > 1
            if (withMany) expect(budget.held).toBeLessThanOrEqual(max)
          }
          for (const lease of leases.values()) lease.release()
          expect(budget.held).toBe(0)
        },
      ),
    )
  })
})
