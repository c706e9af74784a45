import { afterEach, describe, expect, test } from 'vitest'
import { createFakeLedger, type FakeLedger } from '../../test/adapters/fake-ledger.ts'
import { openTestApp, type TestApp } from '../../test/support/test-app.ts'

let opened: TestApp | undefined
afterEach(() => opened?.app.close())

async function open(): Promise<TestApp & { readonly ledger: FakeLedger }> {
  const ledger = createFakeLedger()
  opened = await openTestApp({ ward: { ledger } })
  await opened.app.ready()
  ledger.entries.length = 0
  return { ...opened, ledger }
}

describe('what the server records beside its guarded routes', () => {
  test('signing in, and trying to, though the route is open to everyone', async () => {
    const { app, keys, ledger } = await open()
    const signIn = (key: string) => app.inject({ method: 'POST', url: '/session', payload: { key } })
    expect((await signIn(keys.admin)).statusCode).toBe(204)
    expect((await signIn(keys.wrong)).statusCode).toBe(403)
    expect(ledger.entries).toMatchObject([
      { event: 'request.admitted', route: '/session', status: 204 },
      { event: 'request.refused', route: '/session', code: 'key_invalid', status: 403, keyId: null },
    ])
    ledger.fault = new Error('full')
    const unrecorded = await signIn(keys.admin)
    expect(unrecorded.statusCode).toBe(503)
    expect(unrecorded.headers['set-cookie']).toBeUndefined()
  })

  test('a path that cannot be read, with a key and without, and never the path', async () => {
    const { app, keys, ledger } = await open()
    const ask = (headers: Record<string, string>) => app.inject({ url: '/%zz', headers })
    expect((await ask({ 'x-api-key': keys.right })).statusCode).toBe(400)
    expect((await ask({})).statusCode).toBe(401)
    expect(ledger.entries).toMatchObject([
      { event: 'request.admitted', code: 'request_malformed', route: null, status: 400 },
      { event: 'request.refused', code: 'key_missing', route: null, status: 401 },
    ])
    ledger.fault = new Error('full')
    expect((await ask({})).json()).toMatchObject({ code: 'ledger_unavailable' })
  })

  test('while nothing can be recorded, each request logs one short line, with the cause and without a stack', async () => {
    const ledger = createFakeLedger()
    opened = await openTestApp({ ward: { ledger }, logLevel: 'error' })
    const { app, lines, keys } = opened
    ledger.fault = new Error('the disk is full')
    const answer = await app.inject({ url: '/openapi.json', headers: { 'x-api-key': keys.admin } })
    expect(answer.statusCode).toBe(503)
    expect(lines).toHaveLength(1)
    expect(lines[0]?.length).toBeLessThan(400)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      code: 'ledger_unavailable',
      cause: 'the disk is full',
    })
    expect(lines[0]).not.toContain('stack')
  })

  test('a change over HTTP: the change with who made it, then the request, and no secret', async () => {
    const { app, keys, ledger } = await open()
    const headers = { 'x-api-key': keys.admin }
    const made = await app.inject({ method: 'POST', url: '/v1/keys', headers, payload: { name: 'new' } })
    expect(made.statusCode).toBe(201)
    const { id, key } = made.json() as { id: string; key: string }
    expect(ledger.entries).toMatchObject([
      { event: 'key.created', keyId: id, detail: { by: expect.stringMatching(/^\w{12}$/) } },
      { event: 'request.admitted', route: '/v1/keys', status: 201 },
    ])
    expect(ledger.entries[0]?.detail?.['by']).toBe(ledger.entries[1]?.keyId)
    expect(JSON.stringify(ledger.entries)).not.toContain(key.slice(-49))
    const url = '/v1/owners/acme'
    await app.inject({ method: 'PUT', url, headers, payload: { limits: ['10/min'] } })
    expect(ledger.entries[2]).toMatchObject({
      event: 'owner.limits_set',
      owner: 'acme',
      detail: { limits: ['10/min'], by: ledger.entries[1]?.keyId },
    })
  })
})
