import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type BreakerCall, createBreaker } from './breaker.ts'

const options = { failures: 5, pauseMs: 5_000, pauseMaxMs: 60_000 }

function openAt(now: number, breaker = createBreaker(options)) {
  for (let call = 0; call < options.failures; call += 1) breaker.begin(now)?.failed(now)
  return breaker
}

describe('a breaker', () => {
  test('opens after five failures in a row, and not where one call of them passes', () => {
    const breaker = createBreaker(options)
    for (let call = 0; call < 4; call += 1) breaker.begin(0)?.failed(0)
    breaker.begin(0)?.passed(0)
    for (let call = 0; call < 4; call += 1) breaker.begin(0)?.failed(0)
    expect([breaker.state(), breaker.waitMs(0), breaker.failures()]).toEqual(['closed', 0, 4])
    breaker.begin(0)?.failed(0)
    expect([breaker.state(), breaker.waitMs(0), breaker.begin(4_999)]).toEqual(['open', 5_000, undefined])
  })

  test('then lets one call try, which decides', () => {
    const breaker = openAt(0)
    const trying = breaker.begin(5_000)
    expect(trying).toBeDefined()
    expect([breaker.state(), breaker.begin(5_000), breaker.waitMs(9_000)]).toEqual([
      'trying',
      undefined,
      5_000,
    ])
    trying?.passed(6_000)
    expect([breaker.state(), breaker.waitMs(6_000), breaker.failures()]).toEqual(['closed', 0, 0])
  })

  test('is open twice as long after each try that fails, a minute at most, and as short as before once one passed', () => {
    const breaker = openAt(0)
    const waits = [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]
    let now = 0
    for (const wait of waits) {
      expect(breaker.waitMs(now)).toBe(wait)
      now += wait
      breaker.begin(now)?.failed(now)
    }
    now += 60_000
    breaker.begin(now)?.passed(now)
    expect(openAt(now, breaker).waitMs(now)).toBe(5_000)
  })

  test('lets another one try where the client of the one that tried has left', () => {
    const breaker = openAt(0)
    breaker.begin(5_000)?.ignored()
    expect([breaker.state(), breaker.waitMs(5_000)]).toEqual(['open', 0])
    expect(breaker.begin(5_000)).toBeDefined()
  })

  test('is closed as soon as the answer to the one that tries begins', () => {
    const breaker = openAt(0)
    const trying = breaker.begin(5_000)
    trying?.begun()
    expect([breaker.state(), breaker.waitMs(5_000)]).toEqual(['closed', 0])
    // It has failed all the same, once.
    trying?.failed(6_000)
    expect([breaker.state(), breaker.failures()]).toEqual(['closed', 1])
  })

  test('is not closed by the beginning of an answer to a call from before it opened', () => {
    const breaker = createBreaker(options)
    const early = breaker.begin(0)
    openAt(0, breaker)
    early?.begun()
    expect(breaker.state()).toBe('open')
  })

  test('lets another one try each pause while the one that tries brings nothing', () => {
    const breaker = openAt(0)
    const first = breaker.begin(5_000)
    expect(breaker.begin(9_999)).toBeUndefined()
    expect(breaker.waitMs(10_000)).toBe(0)
    const second = breaker.begin(10_000)
    expect([second === undefined, breaker.begin(10_000)]).toEqual([false, undefined])
    // The first one's failure is what was known; the second one's is news.
    first?.failed(11_000)
    expect(breaker.state()).toBe('trying')
    second?.failed(12_000)
    expect([breaker.state(), breaker.waitMs(12_000)]).toEqual(['open', 10_000])
    first?.passed(13_000)
    expect(breaker.state()).toBe('closed')
  })

  test('learns nothing new from calls that began before it opened and fail behind it', () => {
    const breaker = createBreaker(options)
    const early = Array.from({ length: 20 }, () => breaker.begin(0))
    for (const call of early) call?.failed(100)
    expect(breaker.waitMs(100)).toBe(5_000)
  })

  test('opens after two checks that failed, is held open by further ones, and closes with one that passed', () => {
    const changes: string[] = []
    const breaker = createBreaker(options, (change) => changes.push(change))
    breaker.checked(false, 0)
    expect(breaker.state()).toBe('closed')
    breaker.checked(false, 10_000)
    expect(breaker.waitMs(10_000)).toBe(5_000)
    breaker.checked(false, 12_000)
    expect(breaker.waitMs(12_000)).toBe(3_000)
    breaker.checked(false, 20_000)
    expect(breaker.waitMs(20_000)).toBe(10_000)
    breaker.checked(true, 21_000)
    expect(breaker.waitMs(21_000)).toBe(0)
    breaker.checked(false, 30_000)
    expect(breaker.state()).toBe('closed')
    expect(changes).toEqual(['opened', 'opened again', 'closed'])
  })

  test('closes for all where a check passes while a call tries', () => {
    const breaker = openAt(0)
    const trying = breaker.begin(5_000)
    breaker.checked(true, 6_000)
    expect(breaker.state()).toBe('closed')
    trying?.failed(7_000)
    expect([breaker.state(), breaker.failures()]).toEqual(['closed', 1])
  })
})

type Step =
  | { readonly does: 'begin' }
  | { readonly does: 'begun' | 'passed' | 'failed' | 'ignored'; readonly which: number }
  | { readonly does: 'waits'; readonly ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.constant<Step>({ does: 'begin' }),
  fc.record({
    does: fc.constantFrom<'begun' | 'passed' | 'failed' | 'ignored'>(
      ...(['begun', 'passed', 'ignored'] as const),
      ...Array.from({ length: 8 }, () => 'failed' as const),
    ),
    which: fc.nat(3),
  }),
  fc.record({ does: fc.constant('waits' as const), ms: fc.integer({ min: 1, max: 70_000 }) }),
)

test('whatever calls begin and end in whatever order, it does what its history says', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const breaker = createBreaker(options)
      const calls: { readonly id: number; readonly call: BreakerCall }[] = []
      // The model keeps what happened, and derives the rest from it.
      const history: { ended: 'passed' | 'failed'; isTry: boolean; at: number }[] = []
      let now = 0
      let id = 0
      let tryId: number | undefined
      let aloneUntil = 0

      function expected() {
        const since = history.slice(history.findLastIndex(({ ended }) => ended === 'passed') + 1)
        const opening = since.findIndex((_, at) => at + 1 === options.failures)
        if (opening === -1) return { isOpen: false, until: 0, pause: 0, failures: since.length }
        const tries = since.slice(opening + 1).filter(({ isTry }) => isTry)
        const pause = Math.min(options.pauseMaxMs, options.pauseMs * 2 ** tries.length)
        const last = tries.at(-1) ?? since[opening]
        return { isOpen: true, until: (last?.at ?? 0) + pause, pause, failures: since.length }
      }

      for (const one of steps) {
        const { isOpen, until, pause } = expected()
        if (one.does === 'waits') now += one.ms
        else if (one.does === 'begin') {
          const call = breaker.begin(now)
          const isTry = isOpen && now >= (tryId === undefined ? until : aloneUntil)
          expect(call !== undefined).toBe(!isOpen || isTry)
          if (call === undefined) continue
          id += 1
          if (isTry) {
            tryId = id
            aloneUntil = now + pause
          }
          calls.push({ id, call })
        } else if (one.does === 'begun') {
          const begun = calls[one.which]
          begun?.call.begun()
          if (begun === undefined || begun.id !== tryId) continue
          history.push({ ended: 'passed', isTry: true, at: now })
          tryId = undefined
        } else {
          const [ended] = calls.splice(one.which, 1)
          if (ended === undefined) continue
          ended.call[one.does](now)
          const isTry = ended.id === tryId
          if (one.does !== 'ignored') history.push({ ended: one.does, isTry, at: now })
          if (isTry || one.does === 'passed') tryId = undefined
        }
        const after = expected()
        expect(breaker.failures()).toBe(after.failures)
        expect(breaker.state()).toBe(after.isOpen ? (tryId === undefined ? 'open' : 'trying') : 'closed')
        if (tryId === undefined)
          expect(breaker.waitMs(now)).toBe(after.isOpen ? Math.max(0, after.until - now) : 0)
      }
    }),
    { numRuns: 300 },
  )
})
