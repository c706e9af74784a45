import fc from 'fast-check'
import { expect, test } from 'vitest'
import { capacityFor, sizeOf, takeUse } from '../../../limits/sliding-window.ts'
import type { StoredUsage } from '../../../limits/usage-store.ts'
import type { CopiedClock } from '../../copy/copy-source.ts'
import { createRowSieve } from '../../copy/damaged-rows.ts'
import { limitRows } from './limit-rows.ts'

const windowMs = 3_600_000
/** When the folder's steady clock is read. */
const steady = 1_700_000_000_000
const twoTo32 = 4_294_967_296

function copyOf(use: StoredUsage, clock: CopiedClock): { cells: Buffer; spare: unknown } {
  const table = { find: () => use, listNamesAfter: () => [use.name] }
  const [row] = [...limitRows(table, createRowSieve())(clock)]
  return { cells: Buffer.from(row?.[2] as Uint8Array), spare: row?.[3] }
}

/** What a fleet's limiter counts of a cell at a moment, as its script reads it. */
function usedOf(cell: Buffer, now: number): number {
  const isExact = cell.readUInt8(0) > 0
  const [latest, length] = [cell.readDoubleLE(1), isExact ? windowMs : 65]
  const to = Math.max(latest, isExact ? now : Math.floor((now * 64) / windowMs))
  let used = 0
  for (let at = 29; at < cell.length; at += 8) {
    const age = ((latest % twoTo32) - cell.readUInt32LE(at) + twoTo32) % twoTo32
    if (age + to - latest < length) used += cell.readUInt32LE(at + 4)
  }
  return used
}

const arbitraryUses = fc.array(
  fc.record({ ago: fc.nat(Math.floor(1.2 * windowMs)), cost: fc.integer({ min: 1, max: 40 }) }),
  { maxLength: 60 },
)
const arbitraryShift = fc.integer({ min: -windowMs * 3, max: windowMs * 3 })
const arbitraryMoments = fc.array(fc.nat(Math.floor(1.1 * windowMs)), { minLength: 1, maxLength: 20 })

for (const amount of [20, 64, 65, 1_000])
  test(`a copied window of ${amount} counts each use until it has left, and at most three slots longer`, () => {
    const check = (uses: readonly { ago: number; cost: number }[], shiftMs: number, moments: number[]) => {
      const limit = { amount, windowMs }
      const cells = new Uint32Array(sizeOf(capacityFor(amount)))
      const inOrder = uses.toSorted((one, other) => other.ago - one.ago)
      const taken = inOrder.filter(
        ({ ago, cost }) => takeUse(limit, { cells, offset: 0 }, steady - ago, cost).fits,
      )
      const used = (moment: number, ms: number): number =>
        taken.reduce((sum, { ago, cost }) => sum + (ago + moment < ms ? cost : 0), 0)
      const clock = { shiftMs, now: steady + shiftMs }
      const copied = copyOf(
        {
          ...{ name: 'key:a /h', limit: `${amount}/h`, at: steady, reserve: 3 },
          count: { kind: 'window', cells },
        },
        clock,
      )
      expect(copied.spare).toBe(3)
      // None lies ahead: the limiter would refuse until the clock is there.
      const now = amount > 64 ? Math.floor((clock.now * 64) / windowMs) : clock.now
      expect(copied.cells.readDoubleLE(1)).toBeLessThanOrEqual(now)
      for (const moment of moments) {
        const theirs = usedOf(copied.cells, clock.now + moment)
        expect(theirs).toBeGreaterThanOrEqual(used(moment, windowMs))
        const late = amount > 64 ? (3 * windowMs) / 64 : 0
        expect(theirs).toBeLessThanOrEqual(used(moment, windowMs + late))
      }
    }
    fc.assert(fc.property(arbitraryUses, arbitraryShift, arbitraryMoments, check), { numRuns: 300 })
  })

test('a copied month keeps its span and what was used of it', () => {
  const beginsAt = Date.UTC(2026, 10)
  const count = { kind: 'calendar' as const, beginsAt, since: steady - 1_000, used: 7 }
  const { cells, spare } = copyOf(
    { name: 'key:a /calendar month', limit: '20/calendar month', at: steady, reserve: 1, count },
    { shiftMs: 500, now: steady + 500 },
  )
  const doubles = [0, 8, 16, 24].map((at) => cells.readDoubleLE(at))
  expect([...doubles, spare]).toEqual([beginsAt, Date.UTC(2026, 11), steady - 500, 7, 1])
})
