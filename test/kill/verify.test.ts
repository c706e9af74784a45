import { expect, test } from 'vitest'
import { killVerify } from './kill-verify.ts'

// `TEST_KILLS=50 npx vitest run test/kill/verify.test.ts` kills fifty times: docs/reliability.md.
const kills = Number(process.env['TEST_KILLS'] ?? 4)

test('kill -9 while programs ask about keys, again and again: each answer that was seen has one record, which says the same', async () => {
  const outcome = await killVerify(kills, () => {})
  expect(outcome.differences).toEqual([])
  expect(outcome.valid).toBeGreaterThan(20 * kills)
  expect(outcome.refused).toBeGreaterThan(0)
  expect(outcome.wrongInput).toBeGreaterThan(0)
}, 600_000)
