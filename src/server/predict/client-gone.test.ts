import { once } from 'node:events'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { createHeldModel } from '../../../test/support/held-model.ts'
import {
  type AskingApp,
  closeApps,
  later,
  openAskingApp as open,
} from '../../../test/support/open-asking-app.ts'

afterEach(closeApps)

/** Asks, and is gone before the route has begun; resolves once the server has done with it. */
async function askAndLeave(opened: AskingApp, method: string, path: string, body = ''): Promise<void> {
  const { app, keys } = opened
  const isDone = Promise.withResolvers<void>()
  app.addHook('preHandler', async ({ headers }, { raw }) => {
    if (headers['x-leaves'] === undefined) return
    sent.destroy()
    if (!raw.closed) await once(raw, 'close')
    // Behind whatever the route does at once.
    setImmediate(() => setImmediate(isDone.resolve))
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const headers = { ...later, 'x-api-key': keys.right, 'x-leaves': '1', 'content-type': 'application/json' }
  const sent = request({ port, method, path, headers })
  sent.on('error', () => {})
  sent.end(body)
  await isDone.promise
}

test('a stream of events whose client had gone before it began leaves its place to others', async () => {
  const opened = await open({
    model: createHeldModel().model,
    ownerFollowersMax: 1,
    closing: AbortSignal.abort(),
  })
  await askAndLeave(opened, 'GET', '/jobs/job_0V9aT4mQk2bZx71LwPcD3e/events')
  const { id } = await opened.submit()
  expect((await opened.ask('GET', `/jobs/${id}/events`)).statusCode).toBe(200)
})

test.each([
  ['/predict', '{"text":"abc"}', { output: 3 }],
  ['/predict/batch', '{"texts":["abc"]}', { results: [{ output: 3 }] }],
] as const)(
  'work of %s under an Idempotency-Key goes on without its client, and is kept',
  async (url, body, kept) => {
    const held = createHeldModel()
    const { app, keys, ask } = await open({ model: held.model })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as AddressInfo
    const headers = {
      'x-api-key': keys.right,
      'idempotency-key': 'order-1',
      'content-type': 'application/json',
    }
    const sent = request({ port, method: 'POST', path: url, headers })
    sent.on('error', () => {})
    const closed = Promise.withResolvers<void>()
    app.server.once('request', (_request, response) => response.once('close', closed.resolve))
    sent.end(body)
    const call = await held.call(0)
    sent.destroy()
    await closed.promise
    expect(call.signal.aborted).toBe(false)
    call.answer()
    const repeat = () =>
      ask('POST', url, { body: JSON.parse(body), headers: { 'idempotency-key': 'order-1' } })
    await expect.poll(async () => (await repeat()).json()).toMatchObject(kept)
    expect(held.calls).toHaveLength(1)
  },
)

test('a job whose client had gone before it was submitted is not made', async () => {
  const opened = await open({ model: createHeldModel().model })
  await askAndLeave(opened, 'POST', '/predict', '{"text":"a"}')
  expect((await opened.ask('GET', '/jobs')).json()).toMatchObject({ jobs: [] })
})
