import { expect, test } from 'vitest'
import { openTestApp } from '../../test/support/test-app.ts'
import { Fault } from '../core/fault.ts'

test('a path that cannot be read, while the store is out, is a 503 and not the end of the process', async () => {
  const { app, ward, keys } = await openTestApp()
  ward.outage.fault = new Fault('store_unavailable', 'gone')
  const answer = await app.inject({ method: 'GET', url: '/%', headers: { 'x-api-key': keys.right } })
  expect(answer.statusCode).toBe(503)
  expect(answer.json()).toMatchObject({ code: 'store_unavailable' })
  ward.outage.fault = undefined
  await app.close()
})

test('a sign-in takes no more of a body than a key needs, for anyone may send one', async () => {
  const { app } = await openTestApp()
  const answer = await app.inject({
    method: 'POST',
    url: '/session',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: 'a&'.repeat(8_192),
  })
  expect(answer.statusCode).toBe(413)
  await app.close()
})
