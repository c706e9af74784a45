import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { formatRequest, RawConnection, type RawRequest } from '../../../test/parity/raw-http.ts'
import { createHeldModel } from '../../../test/support/held-model.ts'
import { askRaw, json, listen, toApp } from '../../../test/support/listening-app.ts'
import { createMemoryLedger } from '../../../test/support/memory-ledger.ts'
import { closeApps } from '../../../test/support/open-asking-app.ts'
import { constantModel } from '../../../test/support/test-app.ts'
import { Fault } from '../../core/fault.ts'
import { Refusal } from '../../core/refusal.ts'
import type { LedgerEntry } from '../../ledger/format/record.ts'
import type { Ledger } from '../../ledger/ledger.ts'

const signingKey = generateKeyPairSync('ed25519').privateKey

afterEach(closeApps)

const texts = fc.oneof(
  fc.string(),
  fc.constantFrom('I love this', '', '👍'.repeat(100), 'a'.repeat(101), '\ud800'),
)
const bodies = fc.oneof(
  { arbitrary: texts.map((text) => JSON.stringify({ text })), weight: 4 },
  fc.jsonValue().map((value) => JSON.stringify(value)),
  fc.constantFrom('{', '{"text":"a"', '{"__proto__":{},"text":"a"}', '{"text":1}', '[]', 'null', '"a"'),
  fc.constantFrom('{"text":"a","webhook":"http://x"}', '{"text":"a","webhook":1}', '\ufeff{"text":"a"}'),
  fc.uint8Array({ minLength: 1, maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
)

describe('a prediction without the framework', () => {
  test('is answered and recorded as the app does, whatever its key and body', async () => {
    const server = await listen()
    const { keys, ward } = server
    const limited = await server.createKey({ limits: ['1000/min', '100 characters/day'] })
    const scopeless = await server.createKey({ scopes: [] })
    const expired = await server.createKey({ expiresAt: ward.time.now + 1 })
    ward.time.now += 2
    const named = fc.constantFrom(keys.right, keys.admin, keys.wrong, limited, scopeless, expired, '', 'mw_x')
    const credentials = fc.array(
      named.map((key) => ['X-API-Key', key] as const),
      { maxLength: 2 },
    )
    const paths = fc.constantFrom('/predict', '/models/constant/predict')
    // Limits and the minute of summed refusals begin anew: all that is asked is asked twice.
    const pass = (): void => {
      ward.time.monotonic += 2 * 86_400_000
      ward.time.now += 2 * 86_400_000
    }
    let direct = 0
    const rule = fc.asyncProperty(paths, credentials, bodies, async (path, lines, body) => {
      const sent = server.sentByApp()
      const answer = await askRaw(server, { path, headers: [json, ...lines], body })
      direct += server.sentByApp() === sent ? 1 : 0
      pass()
      const byApp = await askRaw(server, { path, headers: [json, ...lines, toApp], body })
      expect(server.sentByApp()).toBe(sent + 1)
      expect(answer).toEqual(byApp)
      pass()
    })
    await fc.assert(rule, { numRuns: 200 })
    expect(direct).toBe(200)
  })

  test('a model that fails, is too late, or refuses: as the app does', async () => {
    for (const thrown of [new Error('why'), new Refusal('input_invalid', 'too odd'), 'no error']) {
      const model = { ...constantModel, predict: () => Promise.reject(thrown) }
      const server = await listen({ model: model as never })
      const headers = [json, ['X-API-Key', server.keys.right] as const]
      const answer = await askRaw(server, { headers, body: '{"text":"a"}' })
      expect(server.sentByApp()).toBe(0)
      expect(answer).toEqual(await askRaw(server, { headers: [...headers, toApp], body: '{"text":"a"}' }))
      await closeApps()
    }
  })

  test('what may be meant otherwise is left to the app', async () => {
    const server = await listen({ bodyMax: 1_024 })
    const key = ['X-API-Key', server.keys.right] as const
    const body = '{"text":"a"}'
    const plain = { headers: [json, key], body }
    const others: RawRequest[] = [
      { ...plain, path: '/predict?' },
      { ...plain, path: '/models/none/predict' },
      { ...plain, path: '/%70redict' },
      { ...plain, method: 'PUT' },
      { headers: [key] },
      { headers: [json, key, ['Transfer-Encoding', 'chunked']], body: `c\r\n${body}\r\n0\r\n\r\n` },
      { headers: [['Content-Type', 'text/plain'], key], body },
      { headers: [['Content-Type', 'application/json; charset=utf-8'], key], body },
      { headers: [json, key], body: ' '.repeat(1_025) },
      ...['Prefer', 'Idempotency-Key', 'Origin', 'X-Forwarded-For', 'Forwarded', 'Host'].map((name) => ({
        headers: [json, key, [name, 'x'] as const],
        body,
      })),
    ]
    for (const [index, request] of others.entries()) {
      await askRaw(server, request)
      expect([request, server.sentByApp()]).toEqual([request, index + 1])
    }
    await askRaw(server, plain)
    expect(server.sentByApp()).toBe(others.length)
  })

  test('a body in pieces, and requests sent without waiting, are answered in their order', async () => {
    const server = await listen()
    const ask = (text: string) =>
      formatRequest({ headers: [json, ['X-API-Key', server.keys.right]], body: JSON.stringify({ text }) })
    const connection = new RawConnection(server.port)
    const all = Buffer.concat([ask('one'), ask('two'), ask('three')])
    for (let start = 0; start < all.length; start += 40)
      await connection.write(all.subarray(start, start + 40))
    for (const text of ['one', 'two', 'three'])
      expect(JSON.parse((await connection.answer()).body)).toMatchObject({ text })
    connection.close()
    expect([server.records.length, server.sentByApp()]).toEqual([3, 0])
  })

  test('a body is copied as it comes: a piece of a byte would keep the read that brought it', async () => {
    const server = await listen()
    server.app.server.prependListener('request', (request) => {
      const emit = request.emit.bind(request)
      vi.spyOn(request, 'emit').mockImplementation((name, ...values: unknown[]) => {
        const isHeard = emit(name, ...values)
        // Another read may use its memory, once it has been passed on.
        if (name === 'data') (values[0] as Buffer).fill(' ')
        return isHeard
      })
    })
    const headers = [json, ['X-API-Key', server.keys.right] as const]
    const connection = new RawConnection(server.port)
    for (const byte of formatRequest({ headers, body: '{"text":"one"}' }).toString().match(/./gs) ?? [])
      await connection.write(Buffer.from(byte))
    const { status, body } = await connection.answer()
    connection.close()
    expect([status, JSON.parse(body), server.sentByApp()]).toMatchObject([200, { text: 'one' }, 0])
  })

  test('a client that goes in the middle of its body, or of the work, holds no place, and is recorded as the app does', async () => {
    const { model, calls, call } = createHeldModel()
    const server = await listen({ model })
    const key = await server.createKey({ limits: ['1 concurrent'] })
    const leave = async (...more: readonly (readonly [string, string])[]): Promise<void> => {
      const headers = [json, ['X-API-Key', key] as const, ...more]
      const whole = formatRequest({ headers, body: '{"text":"abc"}' })
      const half = new RawConnection(server.port)
      await half.write(whole.subarray(0, -2))
      await once(server.app.server, 'request')
      half.close()
      await server.recorded(server.records.length + 1)
      const gone = new RawConnection(server.port)
      await gone.write(whole)
      const held = await call(calls.length)
      const noticed = once(held.signal, 'abort')
      gone.close()
      await noticed
      held.answer()
      await server.recorded(server.records.length + 1)
      const staying = new RawConnection(server.port)
      await staying.write(whole)
      ;(await call(calls.length)).answer()
      expect((await staying.answer()).status).toBe(200)
      staying.close()
    }
    await leave()
    const direct = server.records.splice(0)
    const sent = server.sentByApp()
    await leave(toApp)
    const same = ({ requestId: _id, latencyUs: _us, ...entry }: LedgerEntry): object => entry
    expect(direct.map(same)).toEqual(server.records.map(same))
    expect([direct.length, sent]).toEqual([3, 0])
  })

  test('an answer that cannot be recorded does not leave, and nothing was used', async () => {
    const whole = createMemoryLedger({ signingKey })
    let isFull = false
    const full = () => Promise.reject(new Fault('ledger_unavailable', 'the disk is full'))
    const ledger: Ledger = { ...whole, append: (entry) => (isFull ? full() : whole.append(entry)) }
    const server = await listen({ ward: { ledger } })
    const key = await server.createKey({ limits: ['1/day'] })
    isFull = true
    for (const _round of [1, 2]) {
      const answer = await askRaw(server, { headers: [json, ['X-API-Key', key]], body: '{"text":"a"}' })
      expect(answer).toMatchObject({ status: 503, body: expect.stringContaining('"ledger_unavailable"') })
    }
    expect(server.sentByApp()).toBe(0)
  })
})
