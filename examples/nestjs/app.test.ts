import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestWard } from 'modelward'
import { createApp } from './app.js'

test('a caller gets an answer by its scope, and nobody else', async () => {
  const ward = await createTestWard({
    keys: { alice: { owner: 'acme', scopes: ['predict'] }, bob: { scopes: ['read'] } },
  })
  const app = await createApp(ward)
  await app.listen(0, '127.0.0.1')
  const url = `${await app.getUrl()}/api/predict`
  const predict = (key: string): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: '{"text":"hello"}',
    })
  assert.deepEqual(await (await predict(ward.testKeys.alice)).json(), { owner: 'acme', length: 5 })
  assert.equal((await predict(ward.testKeys.bob)).status, 403)
  assert.equal((await fetch(url, { method: 'POST' })).status, 401)
  // Closed, a ward answers as if its store were unreachable: never as if a key were wrong.
  await ward.close()
  assert.equal((await predict(ward.testKeys.alice)).status, 503)
  await app.close()
})

test('the app closes its ward', async () => {
  const ward = await createTestWard()
  const app = await createApp(ward)
  await app.listen(0, '127.0.0.1')
  await app.close()
  await assert.rejects(ward.keys.create({ name: 'late' }), { code: 'store_unavailable' })
})
