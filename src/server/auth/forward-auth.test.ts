import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { get, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from 'vitest'
import { createFakeLedger } from '../../../test/adapters/fake-ledger.ts'
import { openTestApp, type TestApp, type TestAppOptions } from '../../../test/support/test-app.ts'
import { readForwardAuth } from '../../config/forward-auth/forward-auth.ts'
import { Fault } from '../../core/fault.ts'
import type { KeyStore } from '../../keys/store/key-store.ts'
import { createMemoryKeyStore } from '../../storage/memory/key-store.ts'

const apps: TestApp[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map(({ app }) => app.close()))
})

const models = {
  scope: 'predict',
  routes: [
    { route: 'GET /health', public: true },
    { route: 'POST /v1/chat/completions', scope: 'predict:chat', cost: { tokens: 500 } },
    { route: 'GET /v1/models/:name', cost: { tokens: 1 } },
  ],
}
const chat = '/v1/chat/completions'

type Headers = Readonly<Record<string, string>>

async function open(rules: object = { models }, options: TestAppOptions = {}) {
  const opened = await openTestApp({ ...options, forwardAuth: readForwardAuth(rules) })
  apps.push(opened)
  const ask = (url: string, headers: Headers = {}, more: object = {}) =>
    opened.app.inject({ url: `/v1/forward-auth/${url}`, headers, ...more })
  const createKey = async (key: object = {}): Promise<Headers> => {
    const { text } = await opened.ward.keys.create({ name: 'k', ...key })
    return { 'x-api-key': text }
  }
  return { ...opened, ask, createKey, right: { 'x-api-key': opened.keys.right } }
}

const about = (method: string, uri: string): Headers => ({
  'x-forwarded-method': method,
  'x-forwarded-uri': uri,
})

describe('which request it is about', () => {
  test('what a proxy says in headers, or its path behind the rule; by its own method where no header names one', async () => {
    const { ask, right } = await open()
    const lacksChat = { code: 'scope_missing' }
    expect((await ask('models', { ...right, ...about('POST', chat) })).json()).toMatchObject(lacksChat)
    expect((await ask('models', { ...right, ...about('GET', chat) })).statusCode).toBe(200)
    const post = { method: 'POST' }
    expect((await ask(`models${chat}`, right, post)).json()).toMatchObject(lacksChat)
    expect((await ask(`models${chat}`, right)).statusCode).toBe(200)
    const other = { ...right, 'x-forwarded-uri': '/health' }
    expect((await ask(`models${chat}`, other, post)).json()).toMatchObject(lacksChat)
    expect((await ask('models/health')).statusCode).toBe(200)
  })

  test('a slash too many in a proxy’s file does not make every request one for `/`', async () => {
    const { ask, right } = await open()
    const asked = await ask('models/', { ...right, ...about('POST', chat) })
    expect([asked.statusCode, asked.json().code]).toEqual([400, 'request_malformed'])
    expect((await ask('models/', right)).statusCode).toBe(200)
    expect((await ask('models/', { ...right, ...about('GET', '/?x=1') })).statusCode).toBe(200)
    expect((await ask('default/', { ...right, ...about('POST', chat) })).statusCode).toBe(200)
  })

  test('never what the query says: some proxies put the client’s there', async () => {
    const { ask, right } = await open()
    for (const query of ['?x=1', '?/health', '?rule=default&scope=', '?x-forwarded-uri=/health']) {
      const asked = await ask(`models${query}`, { ...right, ...about('POST', chat) })
      expect([query, asked.statusCode]).toEqual([query, 403])
      expect((await ask(`models/health${query}`)).statusCode).toBe(200)
      expect((await ask('models', about('GET', `/health${query}`))).statusCode).toBe(200)
      expect((await ask(`models${query}`, right)).statusCode).toBe(400)
    }
  })

  test('a rule with routes that is told nothing, or two things, is 400; one without needs no path', async () => {
    const { ask, right, app } = await open()
    expect((await ask('models', right)).json()).toMatchObject({ status: 400, code: 'request_malformed' })
    expect((await ask('models', { ...right, ...about('GET', '') })).statusCode).toBe(400)
    expect((await ask('models', { ...right, ...about('get', '/x') })).statusCode).toBe(400)
    expect((await ask('default', right)).statusCode).toBe(200)
    expect((await ask('default', { ...right, ...about('', '//') })).statusCode).toBe(200)
    await app.listen({ host: '127.0.0.1', port: 0 })
    const address = app.server.address() as { readonly port: number }
    for (const name of ['method', 'uri', 'for', 'proto', 'host']) {
      const twice = [`X-Forwarded-${name}: a`, `x-forwarded-${name.toUpperCase()}: a`]
      const lines = [`X-API-Key: ${right['x-api-key']}`, ...twice]
      for (const rule of ['models', 'default'])
        expect(await askRaw(address.port, `/v1/forward-auth/${rule}`, lines)).toMatch(/^HTTP\/1.1 400 /)
    }
  })

  test('a path that proxies and servers read in several ways is 400', async () => {
    const { ask, right } = await open()
    for (const path of [
      ...['//v1', '/v1//chat', '/./v1', '/v1/../chat', '/..', '/v1/.', '/%2e%2e/v1', '/v1/%2E'],
      ...['/v1%2fchat', '/v1%2Fchat', '/v1%5cchat', '/v1\\chat', '/a%00', '/a;b', '/a%3bb', '/a%0ab'],
      ...['/%2576', '/a%zz', '/a%', '/a#b', '/a%ff', 'http://h/v1', 'v1', '*', '/é', '/a b'],
      ...[`${chat}.`, '/v1/chat/comPletions%2e', '/v1/chat./completions', `${chat}..`, `${chat}./`],
      ...[`${chat}%20`, '/v1/chat%20/completions', '/v1/%20chat', '/%20', `${chat}%20/`, `${chat}.%20`],
    ]) {
      const answer = await ask('models', { ...right, ...about('POST', path) })
      expect([path, answer.json().code]).toEqual([path, 'request_malformed'])
    }
  })

  test('a path that is another route to some servers is 400', async () => {
    const { ask, right } = await open()
    const costly = ['/V1/chat/completions', `${chat}/`, '/v1/%63hat/completions'].map((path) => [
      'POST',
      path,
    ])
    for (const [method = '', path = ''] of [
      ...costly,
      ...['/HEALTH', '/health/', '/healt%68', '/v1/models/'].map((path) => ['GET', path]),
    ])
      expect([path, (await ask('models', { ...right, ...about(method, path) })).statusCode]).toEqual([
        path,
        400,
      ])
  })

  test('a path that is one route to all servers passes in any spelling', async () => {
    const { ask, right } = await open()
    for (const path of ['/v1/models/caf%C3%A9', '/v1/models/50%25', '/Other/', '/%7Eme', '/v1/models/A'])
      expect([path, (await ask('models', { ...right, ...about('GET', path) })).statusCode]).toEqual([
        path,
        200,
      ])
  })

  test('a path with a suffix is another route to servers that take it for a form of answer, unless the rule lists it', async () => {
    const routes = [{ route: 'GET /spec.json', public: true }, { route: 'GET /spec' }]
    const { ask, right } = await open({ models: { ...models, routes: [...models.routes, ...routes] } })
    const statusOf = async (method: string, path: string) => [
      path,
      (await ask('models', { ...right, ...about(method, path) })).statusCode,
    ]
    for (const path of [`${chat}.json`, `${chat}.a.b`, '/v1/Chat/Completion%73%2Ejson', `${chat}.json/`])
      expect(await statusOf('POST', path)).toEqual([path, 400])
    for (const path of ['/health.xml', '/spec.JSON', '/spec.json/'])
      expect(await statusOf('GET', path)).toEqual([path, 400])
    for (const path of [
      '/spec.json',
      '/spec.xml',
      '/v1/models/llama3.1',
      '/other.json',
      '/.health',
      '/v1/models/.a',
    ])
      expect(await statusOf('GET', path)).toEqual([path, 200])
    expect((await ask('models', about('GET', '/spec.json'))).headers['x-modelward-auth']).toBe('public')
  })

  test('HEAD is as GET; any other method, whether servers know it or not, has no route', async () => {
    const { ask, right } = await open()
    expect((await ask('models', about('HEAD', '/health'))).headers['x-modelward-auth']).toBe('public')
    for (const method of ['PROPFIND', 'QUERY', 'WHATEVER'])
      expect((await ask('models', { ...right, ...about(method, chat) })).statusCode).toBe(200)
    expect((await ask('models/health', {}, { method: 'PROPFIND' })).statusCode).toBe(401)
    expect((await ask('models/health', right, { method: 'PROPFIND' })).statusCode).toBe(200)
  })
})

describe('a rule', () => {
  test('that is unknown is 404 with a key and 401 without: a stranger learns of none', async () => {
    const { ask, right, keys } = await open()
    const wrong = { 'x-api-key': keys.wrong }
    for (const url of ['other', 'other/x', 'models', 'models//x', '', 'x%2fy', `${'a'.repeat(300)}`, '%zz']) {
      expect([url, (await ask(url)).json().code]).toEqual([url, 'key_missing'])
      expect([url, (await ask(url, wrong)).json().code]).toEqual([url, 'key_invalid'])
      const code = url.startsWith('models') ? 'request_malformed' : 'not_found'
      expect([url, (await ask(url, right)).json().code]).toEqual([url, code])
    }
    expect((await ask('other', { 'x-api-key': keys.admin })).statusCode).toBe(404)
    // Or who sets the proxy up would look for what the model server does not have.
    expect((await ask('other', right)).json().detail).toContain('rule')
  })

  test('`default` asks for `predict`, and may be replaced', async () => {
    const first = await open({})
    const none = await first.createKey({ scopes: ['other'] })
    expect((await first.ask('default', first.right)).statusCode).toBe(200)
    expect((await first.ask('default', none)).json()).toMatchObject({ code: 'scope_missing' })
    const second = await open({ default: { scope: ['other', 'more'] } })
    const both = await second.createKey({ scopes: ['other', 'more'] })
    expect((await second.ask('default', second.right)).statusCode).toBe(403)
    expect((await second.ask('default', both)).statusCode).toBe(200)
  })

  test('without a scope admits any key but an admin’s', async () => {
    const { ask, right, keys } = await open({ any: {} })
    expect((await ask('any', right)).statusCode).toBe(200)
    expect((await ask('any', { 'x-api-key': keys.admin })).json()).toMatchObject({ code: 'scope_missing' })
  })

  test('that is closed answers 404 for what it does not list, and 401 without a key', async () => {
    const { ask, right } = await open({ models: { ...models, unlisted: 'closed' } })
    expect((await ask('models', { ...right, ...about('GET', '/v1/models/a') })).statusCode).toBe(200)
    expect((await ask('models', { ...right, ...about('GET', '/other') })).json()).toMatchObject({
      code: 'not_found',
    })
    expect((await ask('models', about('GET', '/other'))).statusCode).toBe(401)
  })

  test('hands its scope and cost on to routes that name none', async () => {
    const rules = {
      r: { scope: 's', cost: { tokens: 2 }, routes: [{ route: 'GET /a', cost: { calls: 1 } }] },
    }
    const { ask, createKey } = await open(rules)
    const other = await createKey({ scopes: ['predict'] })
    expect((await ask('r', { ...other, ...about('GET', '/a') })).statusCode).toBe(403)
    const key = await createKey({ scopes: ['s'], limits: ['10 tokens/h', '10 calls/h'] })
    const answer = await ask('r', { ...key, ...about('GET', '/a') })
    expect(answer.headers['ratelimit']).toMatch(/tokens";r=8.*calls";r=9/)
  })
})

test('a scope that a rule or its route asks for is known where a key is made', async () => {
  const { app, keys } = await open()
  const make = (scopes: readonly string[]) =>
    app.inject({
      method: 'POST',
      url: '/v1/keys',
      headers: { 'x-api-key': keys.admin },
      payload: { name: 'k', scopes },
    })
  expect((await make(['predict:chat', 'predict'])).json().warnings).toBeUndefined()
  expect((await make(['predict:chta'])).json().warnings).toMatchObject([
    { code: 'scope_unknown', did_you_mean: 'predict:chat' },
  ])
})

describe('the record', () => {
  test('is one, before the answer; it names the pattern, and the method that was asked about', async () => {
    const ledger = createFakeLedger()
    const { ask, createKey } = await open({ models }, { ward: { ledger } })
    const key = await createKey({ scopes: ['predict', 'predict:chat'], owner: 'acme' })
    ledger.entries.length = 0
    ledger.hold()
    const asking = ask('models', { ...key, ...about('POST', `${chat}?secret`) })
    await ledger.appended()
    let isAnswered = false
    void asking.then(() => {
      isAnswered = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(isAnswered).toBe(false)
    ledger.release()
    const { headers } = await asking
    expect(ledger.entries).toMatchObject([
      {
        event: 'request.admitted',
        owner: 'acme',
        method: 'POST',
        route: 'forward-auth models POST /v1/chat/completions',
        status: 200,
        requestId: headers['x-request-id'],
        measures: { requests: 1 },
      },
    ])
  })

  test('of a refusal has its code and status, and measures nothing; what the client names is not in it', async () => {
    const ledger = createFakeLedger()
    const { ask, right } = await open({ models }, { ward: { ledger } })
    ledger.entries.length = 0
    await ask('models', { ...right, ...about('POST', '//evil') })
    await ask('evil-rule', { ...right, ...about('evil', '/evil') })
    await ask('models', about('GET', '/v1/models/evil'))
    await ask('models', about('GET', '/health'))
    const measures = { requests: 0 }
    expect(ledger.entries).toMatchObject([
      { code: 'request_malformed', status: 400, route: 'forward-auth models', measures },
      { code: 'not_found', status: 404, route: 'forward-auth', method: null, measures },
      { code: 'key_missing', status: 401, route: 'forward-auth models GET /v1/models/:name', measures },
    ])
    expect(JSON.stringify(ledger.entries)).not.toContain('evil')
  })

  test('of a client that has gone before the verdict names the rule, and no path', async () => {
    const ledger = createFakeLedger()
    const asked = Promise.withResolvers<void>()
    const gate = Promise.withResolvers<void>()
    const kept = createMemoryKeyStore({ clock: Date.now })
    const findKey: KeyStore['findKey'] = async (id) => {
      asked.resolve()
      await gate.promise
      return kept.findKey(id)
    }
    const { app, createKey } = await open({ models }, { ward: { ledger, store: { ...kept, findKey } } })
    const key = await createKey({ scopes: ['predict', 'predict:chat'] })
    await ledger.appended()
    await app.listen({ host: '127.0.0.1', port: 0 })
    const arrived = once(app.server, 'connection')
    const { port } = app.server.address() as { readonly port: number }
    const socket = connect(port, '127.0.0.1')
    const head = `POST /v1/forward-auth/models${chat} HTTP/1.1`
    socket.write(`${head}\r\nHost: a\r\nX-API-Key: ${key['x-api-key']}\r\n\r\n`)
    const [connection] = await arrived
    await asked.promise
    const closed = once(connection, 'close')
    socket.destroy()
    await closed
    gate.resolve()
    await ledger.appended()
    expect(ledger.entries.at(-1)).toMatchObject({
      route: 'forward-auth models POST /v1/chat/completions',
      method: 'POST',
      status: 200,
    })
    expect(ledger.entries.filter(({ event }) => event.startsWith('request.'))).toHaveLength(1)
  })

  test('that cannot be written, or a key that cannot be read, is a 503 with its problem in a header too', async () => {
    const ledger = createFakeLedger()
    const { ask, right, createKey, ward } = await open({}, { ward: { ledger } })
    const fresh = await createKey()
    ledger.fault = new Error('disk full at /srv')
    const unrecorded = await ask('default', right)
    expect(unrecorded.json()).toMatchObject({ status: 503, code: 'ledger_unavailable' })
    expect(unrecorded.headers['retry-after']).toBe('1')
    expect(unrecorded.headers['x-modelward-problem']).toBe(unrecorded.body)
    expect(unrecorded.headers['x-modelward-auth']).toBeUndefined()
    ledger.fault = undefined
    ward.outage.fault = new Fault('store_unavailable', 'gone')
    const unread = await ask('default', fresh)
    expect(unread.json()).toMatchObject({ status: 503, code: 'store_unavailable' })
    expect(unread.headers['x-modelward-problem']).toBe(unread.body)
    expect(ledger.entries.at(-1)).toMatchObject({ event: 'request.failed', route: 'forward-auth default' })
  })
})

test('a head that two programs could understand in two ways is a 400 with its problem in a header too', async () => {
  const { ask, right } = await open()
  for (const url of ['default', `models${chat}`, 'models/%zz']) {
    const answer = await ask(url, { ...right, 'transfer-encoding': 'gzip' })
    expect(answer.json()).toMatchObject({ status: 400, code: 'request_malformed' })
    expect(answer.headers['x-modelward-problem']).toBe(answer.body)
  }
})

describe('who may ask', () => {
  test('a peer on this machine, on a Unix socket, or in `--trust-proxy`; no other has a key tried', async () => {
    const lines: string[] = []
    const logStream = { write: (line: string) => void lines.push(line) }
    const ledger = createFakeLedger()
    const options = { ward: { ledger }, trustProxy: ['10.0.0.0/8'], logLevel: 'warn', logStream } as const
    const { app, ask, createKey, ward } = await open({ models }, options)
    const fresh = await createKey()
    const asRecorded = { event: 'request.refused', code: 'forbidden', keyId: null, route: 'forward-auth' }
    for (const remoteAddress of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1', '10.1.2.3'])
      expect((await ask('models/health', {}, { remoteAddress })).statusCode).toBe(200)
    ward.calls.clear()
    for (const remoteAddress of ['203.0.113.7', '192.168.0.1', '2001:db8::1'])
      for (const url of ['models/health', 'default', 'other']) {
        const headers = { ...fresh, 'x-forwarded-for': '127.0.0.1' }
        const answer = await ask(url, headers, { remoteAddress })
        expect(answer.json()).toMatchObject({ status: 403, code: 'forbidden' })
        expect(answer.json().detail).toContain('`--trust-proxy`')
        expect(ledger.entries.at(-1)).toMatchObject(asRecorded)
      }
    expect(ward.calls.get('findKey') ?? 0).toBe(0)
    const folder = mkdtempSync(join(tmpdir(), 'modelward-forward-'))
    const socketPath = join(folder, 's')
    await app.listen({ path: socketPath })
    const [response] = await once(get({ socketPath, path: '/v1/forward-auth/models/health' }), 'response')
    rmSync(folder, { recursive: true })
    expect(response.statusCode).toBe(200)
  })

  test('others are told of once a minute, however many ask', async () => {
    const lines: string[] = []
    let now = 0
    const logStream = { write: (line: string) => void lines.push(line) }
    const { ask } = await open({}, { logLevel: 'warn', logStream, monotonic: () => now })
    const askAs = (remoteAddress: string) => ask('default', {}, { remoteAddress })
    for (let times = 0; times < 50; times += 1) await askAs('203.0.113.7')
    now += 60_000
    await askAs('203.0.113.8')
    expect(
      lines.map((line) => JSON.parse(line)).map(({ event, peer, requests }) => [event, peer, requests]),
    ).toEqual([
      ['forward_auth.untrusted', '203.0.113.7', 1],
      ['forward_auth.untrusted', '203.0.113.8', 50],
    ])
  })

  test('the client is whom a trusted proxy names: its address is checked, and its wrong keys count', async () => {
    const { ask, createKey, keys } = await open(
      {},
      { trustProxy: ['127.0.0.1'], ward: { limitBadKeys: '1/min' } },
    )
    const key = await createKey({ addresses: ['203.0.113.7'] })
    const from = (address: string) => ({ 'x-forwarded-for': address })
    expect((await ask('default', { ...key, ...from('203.0.113.7') })).statusCode).toBe(200)
    expect((await ask('default', { ...key, ...from('203.0.113.8') })).json().code).toBe('address_denied')
    const wrong = { 'x-api-key': keys.wrong }
    expect((await ask('default', { ...wrong, ...from('203.0.113.9') })).statusCode).toBe(403)
    expect((await ask('default', { ...wrong, ...from('203.0.113.9') })).json().code).toBe('too_many_bad_keys')
    expect((await ask('default', { ...wrong, ...from('203.0.113.10') })).statusCode).toBe(403)
  })
})

test('a body that breaks before its question is answered is no fault of the server, and is answered once', async () => {
  const lines: string[] = []
  const logStream = { write: (line: string) => void lines.push(line) }
  const ledger = createFakeLedger()
  let broken = Promise.withResolvers<void>()
  broken.resolve()
  const held = {
    ...ledger,
    // The record waits until the parser has met what breaks, and the connection is closed.
    append: (...args: Parameters<typeof ledger.append>) => broken.promise.then(() => ledger.append(...args)),
  }
  const options = { ward: { ledger: held }, logLevel: 'warn', logStream } as const
  const { app, right } = await open({ models }, options)
  await app.listen({ host: '127.0.0.1', port: 0 })
  app.server.on('request', (_asked, response: ServerResponse) =>
    response.once('close', () => broken.resolve()),
  )
  const { port } = app.server.address() as AddressInfo
  const key = `X-API-Key: ${right['x-api-key']}`
  for (const [path, ...head] of [['models/v1/x', key], ['models/v1/x'], ['none', key]]) {
    broken = Promise.withResolvers<void>()
    const all = [...head, 'Transfer-Encoding: chunked', '', 'garbage']
    const answer = await askRaw(port, `/v1/forward-auth/${path}`, all)
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1)
    await broken.promise
    // What would come behind the answer comes within a few turns.
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }
  expect(lines).toEqual([])
})

async function askRaw(port: number, path: string, lines: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const all = [`GET ${path} HTTP/1.1`, 'Host: a', 'Connection: close', ...lines, '', '']
  socket.write(all.join('\r\n'))
  return text(socket)
}
