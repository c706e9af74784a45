import { expect, test } from 'vitest'
import { killLedger } from './kill-ledger.ts'

// `node test/reliability/kill-ledger.ts 50` plays fifty: docs/reliability.md.
test('kill -9 under load, again and again: each answer that was seen has one record, and the chain verifies', async () => {
  const outcome = await killLedger(4, () => {})
  expect(outcome.answered).toBeGreaterThan(100)
  expect({ lost: outcome.lost, twice: outcome.twice }).toEqual({ lost: [], twice: [] })
}, 120_000)
