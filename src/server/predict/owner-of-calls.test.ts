import { afterEach, expect, test } from 'vitest'
import { openTestApp, type TestApp } from '../../../test/support/test-app.ts'

let opened: TestApp | undefined
afterEach(() => opened?.app.close())

test('a model is told whose call it is, whichever way it is asked', async () => {
  const owners: (string | undefined)[] = []
  opened = await openTestApp({
    parts: {
      watch: (model) => ({
        ...model,
        predictJson(inputs, call) {
          owners.push(call?.owner)
          return model.predictJson(inputs, call)
        },
      }),
    },
  })
  const { app, keys } = opened
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const ask = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': keys.right, ...headers },
      body: JSON.stringify(body),
    })
  const text = { text: 'a' }
  const texts = { texts: ['a', 'b'] }
  const statuses = [
    await ask('/predict', text),
    await fetch(`${url}/predict?text=a`, { method: 'POST', headers: { 'x-api-key': keys.right } }),
    await ask('/predict', text, { 'idempotency-key': 'one' }),
    await ask('/predict/batch', texts),
    await ask('/predict/batch', texts, { 'idempotency-key': 'two' }),
    await ask('/predict', text, { prefer: 'respond-async' }),
  ].map(({ status }) => status)
  const self = await fetch(`${url}/v1/keys/self`, { headers: { 'x-api-key': keys.right } })
  const { owner } = (await self.json()) as { readonly owner: string }
  expect(statuses).toEqual([200, 200, 200, 200, 200, 202])
  await expect.poll(() => owners.length).toBe(6)
  expect(owners).toEqual(Array.from({ length: 6 }, () => owner))
})
