import { expect, test } from 'vitest'
import { scaled } from '../support/scaled.ts'
import { killVerify } from './kill-verify.ts'

// `node test/kill/kill-verify.ts 50` kills fifty times: docs/reliability.md.
const kills = scaled(2)

test(
  'kill -9 while programs ask about keys, again and again: each answer that was seen has one record, which says the same',
  async () => {
    const outcome = await killVerify(kills, () => {})
    expect(outcome.differences).toEqual([])
    expect(outcome.valid).toBeGreaterThan(20 * kills)
    expect(outcome.refused).toBeGreaterThan(0)
    expect(outcome.wrongInput).toBeGreaterThan(0)
  },
  scaled(120_000),
)
