import { afterEach, expect, test } from 'vitest'
import { createFakeLedger } from '../../../../test/adapters/fake-ledger.ts'
import { closeApps, openAskingApp } from '../../../../test/support/open-asking-app.ts'

afterEach(closeApps)

test('a reset forgets what a key has used of its own limits, not of its owner’s, and is recorded', async () => {
  const ledger = createFakeLedger()
  const { ask, keys, ward } = await openAskingApp({ ward: { ledger } })
  const { record, text: key } = await ward.keys.create({
    name: 'k',
    owner: 'acme',
    limits: ['2/calendar day'],
  })
  await ward.owners.set('acme', ['3/calendar day'])
  const predict = async () => (await ask('POST', '/predict', { key, body: { text: 'a' } })).statusCode
  const reset = async (asker: string, id = record.id) =>
    ask('POST', `/v1/keys/${id}/limits/reset`, { key: asker })
  expect([await predict(), await predict(), await predict()]).toEqual([200, 200, 429])
  expect((await reset(key)).statusCode).toBe(403)
  expect((await reset(keys.admin, 'NobodysKey00')).statusCode).toBe(404)
  const answer = await reset(keys.admin)
  expect(answer.json()).toMatchObject({
    limits: [
      { limit: '2/calendar day', used: 0 },
      { limit: '3/calendar day', used: 2 },
    ],
  })
  expect([await predict(), await predict()]).toEqual([200, 429])
  const resets = ledger.entries.filter(({ event }) => event === 'key.limits_reset')
  const detail = { by: expect.stringMatching(/^\w{12}$/), limits: ['2/calendar day'] }
  expect(resets).toMatchObject([{ keyId: record.id, owner: 'acme', detail }])
})
