import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { RawRequest } from '../../../test/parity/raw-http.ts'
import { askRaw, json, type ListeningApp, listen, toApp } from '../../../test/support/listening-app.ts'
import { createMemoryLedger } from '../../../test/support/memory-ledger.ts'
import { closeApps } from '../../../test/support/open-asking-app.ts'
import { Fault } from '../../core/fault.ts'
import type { Ledger } from '../../ledger/ledger.ts'

afterEach(closeApps)

const path = '/v1/keys/verify'

async function createBackend({ createKey }: ListeningApp): Promise<string> {
  return createKey({ scopes: ['keys:verify'], limits: [] })
}

/** What a field may be, right or wrong; left out now and then. */
const fields = {
  scope: fc.constantFrom<unknown>('predict', 'other', ['predict', 'other'], [], 'No Scope', 1),
  any_scope: fc.constantFrom<unknown>(['predict', 'other'], ['other'], []),
  cost: fc.constantFrom<unknown>({ tokens: 5 }, { tokens: 1_000 }, { requests: 1 }, { tokens: -1 }),
  take: fc.constantFrom<unknown>(true, false, null),
  address: fc.constantFrom('203.0.113.7', '::ffff:203.0.113.7', '198.51.100.1', 'nowhere'),
  route: fc.constantFrom('POST /chat/{id}', '', 'two  spaces', 'x'.repeat(129)),
  more: fc.constantFrom(1),
}
const odd = fc.oneof(
  fc.jsonValue().map((value) => JSON.stringify(value)),
  fc.constantFrom('{', '{"__proto__":{},"key":""}', '{"key":"a","key":"b"}', '\ufeff{"key":""}'),
  fc.uint8Array({ minLength: 1, maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
)

describe('a verdict without the framework', () => {
  test('is answered and recorded as the app does, whatever is asked and by which key', async () => {
    const server = await listen({ ward: { limitOperational: '600/min', limitBadKeys: '1000/min' } })
    const { keys, ward, createKey } = server
    const backend = await createBackend(server)
    const limited = await createKey({
      scopes: ['predict'],
      limits: ['1000/min', '100 tokens/day', '1 concurrent'],
    })
    const placed = await createKey({
      scopes: ['predict'],
      addresses: ['203.0.113.0/24'],
      metadata: { plan: 'pro' },
    })
    const expired = await createKey({ expiresAt: ward.time.now + 1 })
    ward.time.now += 2
    const askers = fc.constantFrom(backend, backend, backend, keys.admin, keys.right, keys.wrong, '')
    const asked = fc.constantFrom(
      keys.right,
      keys.admin,
      keys.wrong,
      limited,
      placed,
      expired,
      backend,
      '',
      ' ',
      'mw_x',
    )
    const bodies = fc.oneof(
      {
        arbitrary: fc
          .record({ key: asked, ...fields }, { requiredKeys: ['key'] })
          .map((body) => JSON.stringify(body)),
        weight: 6,
      },
      odd,
    )
    // Limits and the minute of summed refusals begin anew: all that is asked is asked twice.
    const pass = (): void => {
      ward.time.monotonic += 2 * 86_400_000
      ward.time.now += 2 * 86_400_000
    }
    let direct = 0
    const rule = fc.asyncProperty(askers, bodies, async (key, body) => {
      const headers = [json, ['X-API-Key', key] as const]
      const sent = server.sentByApp()
      const answer = await askRaw(server, { path, headers, body })
      direct += server.sentByApp() === sent ? 1 : 0
      pass()
      const byApp = await askRaw(server, { path, headers: [...headers, toApp], body })
      expect(server.sentByApp()).toBe(sent + 1)
      expect(answer).toEqual(byApp)
      pass()
    })
    await fc.assert(rule, { numRuns: 200 })
    expect(direct).toBe(200)
  })

  test('is left to the app where it may be meant otherwise', async () => {
    const server = await listen()
    const key = ['X-API-Key', await createBackend(server)] as const
    const body = JSON.stringify({ key: server.keys.right })
    const others: RawRequest[] = [
      { path: `${path}?`, headers: [json, key], body },
      { path, headers: [json, key], body: body.padEnd(8_193) },
      { path, headers: [json, key, ['Origin', 'x']], body },
    ]
    for (const [index, request] of others.entries()) {
      await askRaw(server, request)
      expect([request, server.sentByApp()]).toEqual([request, index + 1])
    }
    expect(await askRaw(server, { path, headers: [json, key], body: body.padEnd(8_192) })).toMatchObject({
      status: 200,
    })
    expect(server.sentByApp()).toBe(others.length)
  })

  test('that cannot be given, or not be recorded, is a fault as the app answers it', async () => {
    const whole = createMemoryLedger({ signingKey: generateKeyPairSync('ed25519').privateKey })
    let isFull = false
    const full = () => Promise.reject(new Fault('ledger_unavailable', 'the disk is full'))
    const ledger: Ledger = { ...whole, append: (entry) => (isFull ? full() : whole.append(entry)) }
    const server = await listen({ ward: { ledger } })
    const headers = [json, ['X-API-Key', await createBackend(server)] as const]
    const bodyOf = async (): Promise<string> =>
      JSON.stringify({ key: await server.createKey({ limits: ['1/day'] }) })
    const ask = async (body: string, ...more: (typeof toApp)[]): Promise<object> =>
      askRaw(server, { path, headers: [...headers, ...more], body })
    const [body, other, third] = [await bodyOf(), await bodyOf(), await bodyOf()]
    // Now the key that asks is in memory, and the others are not.
    await ask(third)
    server.ward.outage.fault = new Fault('store_unavailable', 'out')
    const unknown = await ask(body)
    expect(unknown).toMatchObject({ status: 503, body: expect.stringContaining('"store_unavailable"') })
    expect(unknown).toEqual(await ask(other, toApp))
    server.ward.outage.fault = undefined
    isFull = true
    const sent = server.sentByApp()
    const unrecorded = await ask(body)
    expect(unrecorded).toMatchObject({ status: 503, body: expect.stringContaining('"ledger_unavailable"') })
    expect(server.sentByApp()).toBe(sent)
    expect(unrecorded).toEqual(await ask(other, toApp))
  })
})
