import { generateKeySync } from 'node:crypto'
import { expect, test } from 'vitest'
import type { LedgerQuery, UsageQuery } from '../ledger.ts'
import { createWardLedger, type TimeBounds } from './ward-ledger.ts'

const now = Date.UTC(2026, 10, 29, 12)
const day = 86_400_000

function open() {
  const asked: (LedgerQuery | UsageQuery)[] = []
  const ledger = createWardLedger(
    {
      query: async (query) => {
        asked.push(query)
        return { records: [], next: undefined }
      },
      usage: async (query) => {
        asked.push(query)
        return []
      },
      close: async () => {},
    },
    { clock: () => now, positionKey: generateKeySync('hmac', { length: 256 }) },
  )
  const both = async (bounds: TimeBounds): Promise<typeof asked> => {
    await ledger.query({ limit: 1, order: 'newest', ...bounds })
    await ledger.usage({ by: ['key'], ...bounds })
    return asked
  }
  return { ledger, both }
}

test.each([
  ['24h', now - day],
  ['2026-11-01', Date.UTC(2026, 10, 1)],
  [new Date(now - 5), now - 5],
  [now, now],
  [0, 0],
  [undefined, undefined],
])('takes %s as a bound, and asks the ledger in milliseconds', async (since, ms) => {
  const { both } = open()
  expect(await both({ since })).toMatchObject([
    { limit: 1, order: 'newest', since: ms, until: undefined },
    { by: ['key'], since: ms, until: undefined },
  ])
})

test('refuses all bounds that are no times at once, and asks nothing', async () => {
  const { both } = open()
  const error = await both({ since: 'yesterday', until: Number.NaN }).catch((thrown) => thrown)
  expect(error).toMatchObject({
    code: 'input_invalid',
    errors: [
      { loc: ['query', 'since'], type: 'time', msg: expect.stringContaining('a duration before now') },
      { loc: ['query', 'until'], type: 'time' },
    ],
  })
})
