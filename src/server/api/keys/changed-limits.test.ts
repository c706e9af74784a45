import { afterEach, expect, test } from 'vitest'
import { closeApps, openAskingApp } from '../../../../test/support/open-asking-app.ts'

afterEach(closeApps)

const many = Array<number>(97).fill(200)

test.each([
  ['key', '3/calendar month', '4/calendar month', [200, 429]],
  ['key', '3/calendar month', '2/calendar month', [429]],
  ['key', '3/min', '100/min', [...many, 429]],
  ['owner', '3/calendar day', '4/calendar day', [200, 429]],
  ['owner', '100/h', '3/h', [429]],
] as const)(
  'a %s whose limit changes from %s to %s keeps what it has used',
  async (whose, before, after, statuses) => {
    const { app, ask, keys, ward } = await openAskingApp()
    const { record, text: key } = await ward.keys.create({ name: 'k', owner: 'acme', limits: [] })
    const set = async (limit: string): Promise<void> => {
      const url = whose === 'key' ? `/v1/keys/${record.id}` : '/v1/owners/acme'
      const method = whose === 'key' ? 'PATCH' : 'PUT'
      const headers = { 'x-api-key': keys.admin }
      const answer = await app.inject({ method, url, headers, payload: { limits: [limit] } })
      expect(answer.statusCode).toBe(200)
    }
    const predict = async () => (await ask('POST', '/predict', { key, body: { text: 'a' } })).statusCode
    await set(before)
    for (let used = 0; used < 3; used += 1) expect(await predict()).toBe(200)
    await set(after)
    for (const status of statuses) expect(await predict()).toBe(status)
  },
)
