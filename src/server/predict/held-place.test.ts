import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { formatRequest, RawConnection } from '../../../test/parity/raw-http.ts'
import { createHeldModel } from '../../../test/support/held-model.ts'
import { closeApps, openAskingApp } from '../../../test/support/open-asking-app.ts'

afterEach(closeApps)

/** Past Fastify, and through it. */
const ways: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  ['direct', []],
  ['Fastify', [['Forwarded', 'for=192.0.2.1']]],
]

test.each(ways)('%s: who hangs up keeps the place until the model has ended', async (_way, more) => {
  const { model, call, calls } = createHeldModel()
  const server = await openAskingApp({ model })
  await server.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = server.app.server.address() as AddressInfo
  const key = await server.createKey({ limits: ['1 concurrent'] })
  const headers = [['Content-Type', 'application/json'], ['X-API-Key', key], ...more] as const
  const whole = formatRequest({ headers, body: '{"text":"abc"}' })
  const statusOfNext = async (): Promise<number> =>
    (await server.ask('POST', '/predict', { key, body: { text: 'abc' } })).statusCode
  const gone = new RawConnection(port)
  await gone.write(whole)
  const held = await call(0)
  const noticed = once(held.signal, 'abort')
  gone.close()
  await noticed
  expect(await statusOfNext()).toBe(429)
  expect(calls).toHaveLength(1)
  held.answer()
  // The place is given back in the turn after the model's end.
  await setImmediate()
  const last = statusOfNext()
  ;(await call(1)).answer()
  expect(await last).toBe(200)
})
