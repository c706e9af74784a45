import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { afterAttempt, webhookWaitsMs } from './retry.ts'

const at = Date.UTC(2026, 0, 1)
const hourMs = 3_600_000
const broken = { at, status: 500, reason: null }

function waitOf(attempts: number, retryAfter: string | null = null, random = 0): number | undefined {
  const then = afterAttempt(broken, attempts, retryAfter, random)
  return typeof then === 'string' ? undefined : then.retryAt - at
}

describe('after an attempt', () => {
  test('any 2xx is a delivery; any other answer, and none, is tried again', () => {
    for (let status = 100; status < 600; status += 1) {
      const then = afterAttempt({ at, status, reason: null }, 1, null, 0)
      if (status >= 200 && status < 300) expect(then).toBe('delivered')
      else expect(then).toEqual(status === 410 ? 'failed' : { retryAt: at + 5_000 })
    }
    for (const reason of ['timeout', 'connection', 'tls', 'address_denied', 'secret_missing'] as const)
      expect(afterAttempt({ at, status: null, reason }, 1, null, 0)).toEqual({ retryAt: at + 5_000 })
  })

  test('waits grow over a little more than a day, and then it is given up', () => {
    const waits = [1, 2, 3, 4, 5, 6, 7].map((attempts) => waitOf(attempts))
    expect(waits).toEqual([5_000, 300_000, 1_800_000, 2 * hourMs, 5 * hourMs, 10 * hourMs, 10 * hourMs])
    expect(webhookWaitsMs.reduce((sum, wait) => sum + wait, 0)).toBeGreaterThan(24 * hourMs)
    expect(afterAttempt(broken, 8, null, 0)).toBe('failed')
    expect(afterAttempt(broken, 99, '5', 0)).toBe('failed')
  })

  test('the end of a process is not a failed attempt: it is due again at once, however often that was', () => {
    for (const attempts of [1, 8, 99])
      expect(afterAttempt({ at, status: null, reason: 'stopped' }, attempts, null, 1)).toEqual({
        retryAt: at,
      })
  })

  test('`Retry-After` makes a wait longer, up to ten hours, and never shorter', () => {
    expect(waitOf(1, '60')).toBe(60_000)
    expect(waitOf(1, 'Thu, 01 Jan 2026 00:10:00 GMT')).toBe(600_000)
    expect(waitOf(1, '9999999999')).toBe(10 * hourMs)
    expect(waitOf(1, 'Fri, 01 Jan 2027 00:00:00 GMT')).toBe(10 * hourMs)
    expect(waitOf(3, '1')).toBe(1_800_000)
    for (const text of ['0', '-5', '1.5', '1e9', 'soon', '', 'Thu, 01 Jan 1970 00:00:00 GMT', '2026-02-01'])
      expect(waitOf(1, text), text).toBe(5_000)
  })

  test('whatever a receiver asks for, the wait lies between the schedule’s own and ten hours with its jitter', () => {
    const asked = fc.oneof(
      fc.string(),
      fc.nat().map(String),
      fc.date({ noInvalidDate: true }).map((d) => d.toUTCString()),
    )
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 7 }),
        asked,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (n, text, random) => {
          const wait = waitOf(n, text, random) ?? 0
          expect(wait).toBeGreaterThanOrEqual(webhookWaitsMs[n - 1] ?? 0)
          expect(wait).toBeLessThanOrEqual(12 * hourMs)
        },
      ),
    )
  })
})
