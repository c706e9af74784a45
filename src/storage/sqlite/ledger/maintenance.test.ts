import { expect, test } from 'vitest'
import { logBoundsOf } from './maintenance.ts'

const MiB = 2 ** 20

test('the log of a ledger with a maximum is small beside it, and never larger than that of one without', () => {
  const unlimited = { framesMax: 8_192, bytesMax: 256 * MiB }
  expect(logBoundsOf()).toEqual(unlimited)
  expect(logBoundsOf(50_000 * MiB)).toEqual(unlimited)
  expect(logBoundsOf(16 * MiB)).toEqual({ framesMax: 1_024, bytesMax: 16 * MiB })
  expect(logBoundsOf(64 * MiB)).toEqual({ framesMax: 4_096, bytesMax: 32 * MiB })
})
