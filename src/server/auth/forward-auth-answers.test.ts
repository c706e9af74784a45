import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from 'vitest'
import { openTestApp, type TestApp, type TestAppOptions } from '../../../test/support/test-app.ts'
import { readForwardAuth } from '../../config/forward-auth/forward-auth.ts'
import { problemBody } from '../../core/refusal.ts'
import { createInProcessLimiter } from '../../limits/in-process/in-process-limiter.ts'
import { createMemoryKeyStore } from '../../storage/memory/key-store.ts'
import { problemLine } from '../http/problem-line.ts'
import { leaveHeaders } from './forward-auth-answer.ts'

const apps: TestApp[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map(({ app }) => app.close()))
})

type Headers = Readonly<Record<string, string>>

async function open(rules: object = {}, options: TestAppOptions = {}) {
  const opened = await openTestApp({ ...options, forwardAuth: readForwardAuth(rules) })
  apps.push(opened)
  const ask = (url: string, headers: Headers = {}, more: object = {}) =>
    opened.app.inject({ url: `/v1/forward-auth/${url}`, headers, ...more })
  const createKey = async (key: object = {}): Promise<Headers> => {
    const { text: key_ } = await opened.ward.keys.create({ name: 'k', ...key })
    return { 'x-api-key': key_ }
  }
  return { ...opened, ask, createKey, right: { 'x-api-key': opened.keys.right } }
}

const names = [
  'x-modelward-auth',
  'x-modelward-key-id',
  'x-modelward-owner',
  'x-modelward-scopes',
  'x-request-id',
  'ratelimit-policy',
  'ratelimit',
]

describe('leave to go on', () => {
  test('is 200 without a body and has every header, empty where there is nothing', async () => {
    const { ask, createKey } = await open(
      { r: { routes: [{ route: '* /*', public: true }] } },
      {
        ward: { limitDefault: [] },
      },
    )
    const key = await createKey({ owner: 'acme', scopes: ['predict', 'more'], limits: ['60/min'] })
    const limited = await ask('default', key)
    expect([limited.statusCode, limited.body]).toEqual([200, ''])
    expect(limited.headers).toMatchObject({
      'content-length': '0',
      'cache-control': 'no-store',
      'x-modelward-auth': 'admitted',
      'x-modelward-owner': 'acme',
      'x-modelward-scopes': 'predict more',
      'ratelimit-policy': '"minute";q=60;w=60',
      ratelimit: '"minute";r=59;t=60',
    })
    expect(limited.headers['x-modelward-key-id']).toBe(key['x-api-key']?.split('_')[2])
    const { headers } = await ask('default', await createKey({ limits: [] }))
    expect([headers['ratelimit-policy'], headers['ratelimit']]).toEqual(['', ''])
    const open_ = await ask('r/x')
    for (const name of names) expect([name, open_.headers[name]]).toEqual([name, expect.any(String)])
    expect(open_.headers).toMatchObject({ 'x-modelward-auth': 'public', 'x-modelward-key-id': '' })
  })

  test('has an owner in visible ASCII: all else, and what says that it is encoded, is percent-encoded', () => {
    const encode = (owner: string) =>
      leaveHeaders('admitted', { keyId: '', owner, scopes: [] }, {})['x-modelward-owner']
    expect(encode('Žofie 100%')).toBe('%C5%BDofie%20100%25')
    expect(encode('a,b"c;d=e/f~')).toBe('a,b"c;d=e/f~')
    for (const owner of ['Łódź\u007f', '日本', '😀 a', ' ', '100%25', "it's\t"])
      expect([decodeURIComponent(encode(owner) ?? ''), /^[!-~]*$/.test(encode(owner) ?? '')]).toEqual([
        owner,
        true,
      ])
    expect(encode('\ud800')).toBe('%EF%BF%BD')
  })

  test('to HEAD is the same', async () => {
    const { ask, right } = await open()
    const { statusCode, headers } = await ask('default', right, { method: 'HEAD' })
    expect([statusCode, headers['content-length'], headers['x-modelward-auth']]).toEqual([
      200,
      '0',
      'admitted',
    ])
  })
})

describe('a refusal', () => {
  test('has its true status, its headers, and its problem in one line of ASCII too', async () => {
    const { ask, createKey } = await open()
    const missing = await ask('default')
    expect([missing.statusCode, missing.headers['content-type']]).toEqual([401, 'application/problem+json'])
    expect(missing.headers['www-authenticate']).toContain('ApiKey realm=')
    expect(missing.headers['x-modelward-problem']).toBe(missing.body)
    const busy = await createKey({ limits: ['1/min'] })
    await ask('default', busy)
    const limited = await ask('default', busy)
    expect(limited.statusCode).toBe(429)
    expect(limited.headers).toMatchObject({ 'retry-after': '60', ratelimit: '"minute";r=0;t=60' })
    expect(JSON.parse(String(limited.headers['x-modelward-problem']))).toEqual(limited.json())
    const head = await ask('default', {}, { method: 'HEAD' })
    expect([head.statusCode, head.body]).toEqual([401, ''])
    expect(head.headers['x-modelward-problem']).toContain('key_missing')
  })

  test('that is long fits 1 KiB: what is wrong with the input goes first, then the end of the sentence', () => {
    const errors = Array.from({ length: 50 }, () => ({ loc: ['body'], msg: 'much too much', type: 'x' }))
    const about = { code: 'input_invalid', title: 'Invalid input', status: 422, request_id: 'r' } as const
    const short = JSON.parse(problemLine(problemBody({ ...about, detail: 'Short.', errors })))
    expect(short).toEqual(problemBody({ ...about, detail: 'Short.', errors: undefined }))
    for (const detail of ['long '.repeat(400), 'ž'.repeat(2_000), '"\\\n'.repeat(900), '😀'.repeat(500)]) {
      const line = problemLine(problemBody({ ...about, detail, errors }))
      expect([line.length <= 1_024, line.length > 800, /^[ -~]+$/.test(line)]).toEqual([true, true, true])
      const problem = JSON.parse(line)
      expect(problem).toMatchObject(about)
      expect(detail.startsWith(problem.detail.replace(/\.\.\.$/, ''))).toBe(true)
    }
  })
})

describe('limits', () => {
  test('of a route are counted for each key, beside those of the rule that its other routes share', async () => {
    const r = {
      limits: ['3/h'],
      routes: [{ route: 'GET /a', limits: ['1/min'] }, { route: 'GET /b' }, { route: 'GET /c' }],
    }
    const { ask, createKey } = await open({ r }, { ward: { limitDefault: [] } })
    const [one, other] = [await createKey(), await createKey()]
    const statusOf = async (path: string, key: Headers) => (await ask(`r${path}`, key)).statusCode
    for (const key of [one, other]) {
      expect([await statusOf('/a', key), await statusOf('/a', key)]).toEqual([200, 429])
      expect([await statusOf('/b', key), await statusOf('/x', key)]).toEqual([200, 200])
      expect([await statusOf('/b', key), await statusOf('/c', key)]).toEqual([429, 429])
    }
  })

  test('are remembered over a restart, of routes whatever their pattern', async () => {
    const routes = ['GET /a', 'GET /A/:Name', '* /files/*', `PUT /${'long/'.repeat(20)}`]
    const r = { limits: ['9/h'], routes: routes.map((route) => ({ route, limits: ['1/day'] })) }
    const clock = () => 1_000
    const limiter = createInProcessLimiter({ clock, monotonic: clock })
    const store = createMemoryKeyStore({ clock })
    const first = await open({ r }, { ward: { limiter, store, limitDefault: [] } })
    const key = await first.createKey()
    const statusesOf = async ({ ask }: Pick<typeof first, 'ask'>) => {
      const statuses: number[] = []
      for (const path of ['/a', '/A/b', '/files/x', `/${'long/'.repeat(20)}`]) {
        const headers = { ...key, 'x-forwarded-uri': path }
        const method = path.startsWith('/long') ? 'PUT' : 'GET'
        statuses.push((await ask('r', { ...headers, 'x-forwarded-method': method })).statusCode)
      }
      return statuses
    }
    expect(await statusesOf(first)).toEqual([200, 200, 200, 200])
    const second = await open({ r }, { ward: { limiter, store, limitDefault: [] } })
    expect(await statusesOf(second)).toEqual([429, 429, 429, 429])
    const other = await open({ s: r }, { ward: { limiter, store, limitDefault: [] } })
    expect((await other.ask('s/a', key)).statusCode).toBe(200)
  })

  test('on what runs at once are given back with the verdict; a cost is taken', async () => {
    const { ask, createKey } = await open({ r: { cost: { tokens: 400 } } })
    const key = await createKey({ limits: ['1 concurrent', '1000 tokens/h'] })
    const statuses = []
    for (let times = 0; times < 3; times += 1) statuses.push((await ask('r', key)).statusCode)
    expect(statuses).toEqual([200, 200, 429])
    expect((await ask('r', key)).json().code).toBe('rate_limited')
  })
})

describe('a browser’s preflight', () => {
  const preflight = {
    origin: 'https://app.example',
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'x-api-key',
  }

  test('is a request as any other, and passes where a route opens it; never because this server would answer one', async () => {
    const rules = { r: { routes: [{ route: 'OPTIONS /open/*', public: true }] } }
    for (const corsOrigins of [[], ['https://app.example']]) {
      const { ask } = await open(rules, { corsOrigins })
      for (const method of ['OPTIONS', 'GET'] as const) {
        const of = (path: string) =>
          ask(
            method === 'GET' ? 'r' : `r${path}`,
            { ...preflight, 'x-forwarded-method': 'OPTIONS', 'x-forwarded-uri': path },
            { method },
          )
        expect((await of('/v1/chat')).statusCode).toBe(401)
        expect((await of('/open/x')).statusCode).toBe(200)
      }
    }
  })

  test('leaves refusals readable to pages of the origins that this server allows', async () => {
    const { ask } = await open({}, { corsOrigins: ['https://app.example'] })
    const { headers } = await ask('default', { origin: 'https://app.example' })
    expect(headers['access-control-allow-origin']).toBe('https://app.example')
  })
})

describe('over a connection', () => {
  test('no byte of a body is read: the verdict comes first, and `100 Continue` never', async () => {
    const { app, right } = await open()
    await app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = app.server.address() as { readonly port: number }
    for (const more of [
      'Content-Length: 50000000',
      'Transfer-Encoding: chunked',
      'Expect: 100-continue\r\nContent-Length: 9',
    ])
      for (const [key, status] of [
        [`X-API-Key: ${right['x-api-key']}`, 200],
        ['X-None: 1', 401],
      ] as const) {
        const socket = connect(port, '127.0.0.1')
        socket.write(`POST /v1/forward-auth/default HTTP/1.1\r\nHost: a\r\n${key}\r\n${more}\r\n\r\n`)
        expect(await text(socket)).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
      }
  })

  test('one answers questions and predictions in turn, whichever way predictions take', async () => {
    const { app, right } = await open()
    await app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = app.server.address() as { readonly port: number }
    const socket = connect(port, '127.0.0.1').setEncoding('utf8')
    const body = '{"text":"fine"}'
    const key = `Host: a\r\nX-API-Key: ${right['x-api-key']}\r\n`
    const ask = async (head: string, sent = ''): Promise<string> => {
      socket.write(
        `${head} HTTP/1.1\r\n${key}${sent === '' ? '' : `Content-Type: application/json\r\nContent-Length: ${sent.length}\r\n`}\r\n${sent}`,
      )
      return String((await once(socket, 'data'))[0])
    }
    for (let times = 0; times < 3; times += 1) {
      expect(await ask('POST /predict', body)).toContain('"sentiment":"positive"')
      expect(await ask('GET /v1/forward-auth/default')).toMatch(
        /^HTTP\/1.1 200 .*x-modelward-auth: admitted/s,
      )
    }
    socket.destroy()
  })
})
