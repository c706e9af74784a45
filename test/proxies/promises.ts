import { once } from 'node:events'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  exchange,
  formatRequest,
  type RawAnswer,
  RawConnection,
  type RawRequest,
} from '../parity/raw-http.ts'
import type { Seen } from './echo.ts'
import { openStage, type Stage, type StageKey } from './stage.ts'
import type { RunningProxy } from './start-proxy.ts'

export interface ProxyPromises {
  /** Of the description. */
  readonly name: string
  readonly isMissing: boolean
  readonly start: (stage: Stage, change?: (text: string) => string) => Promise<RunningProxy>
  /** What clients get while Modelward is gone. */
  readonly whenGone: { readonly status: number; readonly code?: string }
  /** More tests, on the same stage. */
  readonly more?: (stage: () => Stage) => void
}

type Header = readonly [string, string]

const chat = '/v1/chat/completions'
const json: Header = ['Content-Type', 'application/json']
/** What Modelward says of a caller. */
const identity = ['X-Modelward-Key-Id', 'X-Modelward-Owner', 'X-Modelward-Scopes', 'X-Modelward-Auth']

/** What else a header's name may have (RFC 9110 §5.6.2), and many servers read as `-`. */
const readAsDash = [..."!#$%&'*+.^_`|~"]
/** What a client would like the model server, or Modelward, to believe. */
const forged: readonly Header[] = [
  ...['Key-Id', 'Owner', 'Scopes', 'Auth', 'Problem'].flatMap((name): Header[] => [
    [`X-Modelward-${name}`, 'forged'],
    [`x-modelward-${name.toLowerCase()}`, 'forged'],
    [`X_Modelward_${name.replace('-', '_')}`, 'forged'],
  ]),
  ...['X-Modelward-Owner', 'X-HTTP-Method-Override'].flatMap((name) =>
    readAsDash.map((other): Header => [name.replaceAll('-', other), 'forged']),
  ),
  ['X-Forwarded-Method', 'GET'],
  ['X-Forwarded-Uri', '/health?forged'],
  // By these some servers answer for another path than the one that was asked about.
  ['X-Original-URL', '/forged'],
  ['X-Rewrite-URL', '/forged'],
]

export function keyHeader({ key }: StageKey): Header {
  return ['X-API-Key', key]
}

/** Asks a proxy on a connection of its own. */
export function askProxy({ port }: { readonly port: number }, asked: RawRequest = {}): Promise<RawAnswer> {
  const { headers = [], ...rest } = asked
  const body = asked.method === 'GET' ? {} : { body: '{"messages":[]}' }
  return exchange(port, formatRequest({ path: chat, ...body, ...rest, headers: [json, ...headers] }))
}

/** What the model server saw of the request that this answers. */
function seenIn(answer: RawAnswer): Seen {
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status: 200 })
  return JSON.parse(answer.body) as Seen
}

function valuesOf({ headers }: Seen, name: string): readonly string[] {
  return headers.filter(([each]) => each.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
}

/** Expects Modelward's own problem, and that the model server was not asked. */
async function expectRefused(
  stage: Stage,
  answering: Promise<RawAnswer>,
  status: number,
  code: string,
): Promise<RawAnswer> {
  const before = stage.echo.heads.length
  const answer = await answering
  expect([answer.status, answer.headers.get('content-type')], answer.body).toEqual([
    status,
    ['application/problem+json'],
  ])
  const problem = JSON.parse(answer.body) as Record<string, unknown>
  expect(problem).toMatchObject({ status, code, type: `urn:modelward:problem:${code}` })
  expect(Object.keys(problem)).toEqual(expect.arrayContaining(['title', 'detail', 'request_id']))
  expect(stage.echo.heads.length).toBe(before)
  return answer
}

/** What `docs/guides/proxies.md` promises of every proxy that is run. */
export function describeProxy({ name, isMissing, start, whenGone, more }: ProxyPromises): void {
  describe.skipIf(isMissing)(name, () => {
    let stage: Stage
    let proxy: RunningProxy
    let right: StageKey
    const ask = (asked?: RawRequest) => askProxy(proxy, asked)
    const refused = (asked: RawRequest, status: number, code: string) =>
      expectRefused(stage, ask(asked), status, code)

    beforeAll(async () => {
      stage = await openStage()
      proxy = await start(stage)
      right = await stage.createKey()
    })
    afterAll(async () => {
      await proxy?.[Symbol.asyncDispose]()
      await stage?.[Symbol.asyncDispose]()
    })

    describe('what it makes of each verdict', () => {
      test('200: the request passes whole, with who the caller is, and without the key', async () => {
        const path = `${chat}?stream=false&a=%2F`
        const seen = seenIn(await ask({ path, headers: [keyHeader(right)], body: 'x'.repeat(1_000) }))
        expect(seen).toMatchObject({ method: 'POST', url: path, length: 1_000 })
        expect(valuesOf(seen, 'X-Modelward-Key-Id')).toEqual([right.id])
        expect(valuesOf(seen, 'X-Modelward-Owner')).toEqual(['acme'])
        expect(valuesOf(seen, 'X-Modelward-Scopes')).toEqual(['predict predict:chat'])
        for (const each of ['X-API-Key', 'Authorization', 'X-Forwarded-Uri', 'X-Forwarded-Method'])
          expect(valuesOf(seen, each), each).toEqual([])
      })

      test('200: a key in `Authorization` does not reach the model server either', async () => {
        const seen = seenIn(await ask({ headers: [['Authorization', `ApiKey ${right.key}`]] }))
        expect(valuesOf(seen, 'X-Modelward-Key-Id')).toEqual([right.id])
        expect(valuesOf(seen, 'Authorization')).toEqual([])
      })

      test('200: an owner that is no plain text arrives percent-encoded', async () => {
        const named = await stage.createKey({ owner: 'Žofie 100%' })
        const seen = seenIn(await ask({ headers: [keyHeader(named)] }))
        expect(valuesOf(seen, 'X-Modelward-Owner').map(decodeURIComponent)).toEqual(['Žofie 100%'])
      })

      test('200: a key with all that a key may have, and its refusal', async () => {
        const large = await stage.createKey({
          owner: '漢'.repeat(128),
          scopes: Array.from({ length: 32 }, (_, at) =>
            at === 0 ? 'predict:chat' : `s${at}-`.padEnd(64, 'x'),
          ),
          limits: ['1/31d', ...[2, 3, 4, 5, 6, 7, 8].map((days) => `1000000000/${days}d`)],
        })
        const seen = seenIn(await ask({ headers: [keyHeader(large)] }))
        expect(valuesOf(seen, 'X-Modelward-Scopes').join().split(' ')).toHaveLength(32)
        expect(valuesOf(seen, 'X-Modelward-Owner').map(decodeURIComponent)).toEqual(['漢'.repeat(128)])
        await refused({ headers: [keyHeader(large)] }, 429, 'rate_limited')
      })

      test('200: a public route passes without a key, and says nothing of a caller', async () => {
        const seen = seenIn(await ask({ method: 'GET', path: '/health?deep' }))
        expect(seen).toMatchObject({ method: 'GET', url: '/health?deep' })
        for (const each of identity.slice(0, 3)) expect(valuesOf(seen, each).join(''), each).toBe('')
      })

      test('401: no key', async () => {
        const answer = await refused({}, 401, 'key_missing')
        expect(answer.headers.get('www-authenticate')?.join()).toContain('ApiKey')
      })

      test('403: a wrong key, and one without the scope of the route', async () => {
        await refused({ headers: [['X-API-Key', 'wrong']] }, 403, 'key_invalid')
        const narrow = await stage.createKey({ scopes: ['predict'] })
        await refused({ headers: [keyHeader(narrow)] }, 403, 'scope_missing')
        expect((await ask({ path: '/v1/files/a', headers: [keyHeader(narrow)] })).status).toBe(200)
      })

      test('400: two keys, and paths that proxies and servers read differently', async () => {
        await refused({ headers: [keyHeader(right), keyHeader(right)] }, 400, 'key_ambiguous')
        const paths = ['//v1/files/a', '/v1/files/../chat', '/v1/files/%2f', '/v1/files/a;b', '/v1/./files']
        paths.push('/V1/Chat/Completions', `${chat}/`, chat.replace('c', '%63'))
        for (const path of paths)
          await refused({ path, headers: [keyHeader(right)] }, 400, 'request_malformed')
      })

      test('404: a path that the rule does not have', async () => {
        await refused({ path: '/v1/models', headers: [keyHeader(right)] }, 404, 'not_found')
      })

      test('429: a limit that is used up, with the time until it passes', async () => {
        const busy = await stage.createKey({ limits: ['1/h'] })
        const first = await ask({ headers: [keyHeader(busy)] })
        expect(first.status).toBe(200)
        const answer = await refused({ headers: [keyHeader(busy)] }, 429, 'rate_limited')
        expect(Number(answer.headers.get('retry-after')?.join())).toBeGreaterThan(0)
        expect(answer.headers.get('ratelimit')?.join()).toContain('r=0')
      })

      test('503: keys that cannot be read', async () => {
        // No server has it in its cache.
        const fresh = await stage.createKey()
        const mend = stage.breakStore()
        try {
          const answer = await refused({ headers: [keyHeader(fresh)] }, 503, 'store_unavailable')
          expect(answer.headers.get('retry-after')).toEqual(['1'])
        } finally {
          mend()
        }
      })

      test('5xx: Modelward hangs; and all is well once it is back', async () => {
        await using impatient = await start(stage, (text) => text.replaceAll(/\b15s\b/g, '200ms'))
        const before = stage.echo.heads.length
        const thaw = () => void process.kill(stage.pid, 'SIGCONT')
        // Where no answer comes, the tests behind this one must not wait, too.
        onTestFinished(thaw)
        process.kill(stage.pid, 'SIGSTOP')
        const answer = await askProxy(impatient, { headers: [keyHeader(right)] })
        expect(answer.status).toBeOneOf([503, 504])
        expect(stage.echo.heads.length).toBe(before)
        thaw()
        expect((await ask({ headers: [keyHeader(right)] })).status).toBe(200)
      })

      test.each([401, 403, 404, 429, 500, 503])('%i of the model server: untouched', async (status) => {
        const answer = await ask({
          method: 'GET',
          path: `/v1/files/status/${status}`,
          headers: [keyHeader(right)],
        })
        expect([answer.status, answer.body]).toEqual([status, 'of the model server'])
      })
    })

    describe('what a client forges', () => {
      test('reaches no model server, beside a key', async () => {
        const seen = seenIn(await ask({ headers: [...forged, keyHeader(right)] }))
        expect(JSON.stringify(seen)).not.toContain('forged')
        expect(valuesOf(seen, 'X-Modelward-Key-Id')).toEqual([right.id])
      })

      test('reaches no model server on a public route', async () => {
        const seen = seenIn(await ask({ method: 'GET', path: '/health', headers: forged }))
        expect(JSON.stringify(seen)).not.toContain('forged')
      })

      test('changes no verdict', async () => {
        await refused({ headers: forged }, 401, 'key_missing')
        const narrow = await stage.createKey({ scopes: ['predict'] })
        await refused({ headers: [...forged, keyHeader(narrow)] }, 403, 'scope_missing')
      })

      test('takes no header of Modelward’s away', async () => {
        for (const each of identity.slice(0, 3)) {
          const connection: Header = ['Connection', `close, ${each}`]
          const seen = seenIn(await ask({ headers: [connection, keyHeader(right)] }))
          expect(valuesOf(seen, each).join(), each).not.toBe('')
        }
        const hidden: Header = ['Connection', 'close, X-Forwarded-Uri, X-Forwarded-Method']
        await refused({ headers: [hidden, ['X-Forwarded-Uri', '/health']] }, 401, 'key_missing')
      })

      test('in the query changes no verdict', async () => {
        const forwarded = 'X-Forwarded-Uri=/health&X-Forwarded-Method=GET'
        for (const query of ['x=1', forwarded, 'rule=default&scope=&public=true', '/../health', '?']) {
          const path = `${chat}?${query}`
          await refused({ path }, 401, 'key_missing')
          expect(seenIn(await ask({ path, headers: [keyHeader(right)] })).url).toBe(path)
        }
        await refused({ path: `${chat}?api_key=${right.key}` }, 401, 'key_missing')
      })

      test('about its address is not believed', async () => {
        const elsewhere = await stage.createKey({ addresses: ['127.0.0.2'] })
        const lies: Header = ['X-Forwarded-For', '127.0.0.2']
        await refused({ headers: [keyHeader(elsewhere), lies] }, 403, 'address_denied')
        const sent = request({
          host: '127.0.0.1',
          port: proxy.port,
          localAddress: '127.0.0.2',
          path: '/v1/files/a',
          headers: { 'X-API-Key': elsewhere.key },
          agent: false,
        })
        sent.end()
        const [{ statusCode }] = await once(sent, 'response')
        expect(statusCode).toBe(200)
      })
    })

    test('a body of 50 MB without a key is refused before it is sent on', async () => {
      const before = stage.echo.heads.length
      const connection = new RawConnection(proxy.port)
      await connection.write(`POST ${chat} HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n`)
      expect((await connection.answer()).status).toBe(401)
      // The model server was not asked, and a client that goes on sending changes nothing.
      for (let sent = 0; sent < 50 && (await connection.write(Buffer.alloc(1_000_000))); sent += 1);
      connection.close()
      expect(stage.echo.heads.length).toBe(before)
    })

    test('a body of 50 MB with a key arrives whole', async () => {
      const seen = seenIn(await ask({ headers: [keyHeader(right)], body: Buffer.alloc(50_000_000) }))
      expect(seen.length).toBe(50_000_000)
    })

    test('a body in chunks is refused without a key, and arrives whole with one', async () => {
      const chunked: Header = ['Transfer-Encoding', 'chunked']
      const body = '5\r\nhello\r\n0\r\n\r\n'
      await refused({ headers: [chunked], body }, 401, 'key_missing')
      expect(seenIn(await ask({ headers: [chunked, keyHeader(right)], body })).length).toBe(5)
    })

    test('a key that is in use is refused once it is revoked', async () => {
      const short = await stage.createKey()
      const headers = [keyHeader(short)]
      expect((await ask({ headers })).status).toBe(200)
      await stage.revoke(short.id)
      await refused({ headers }, 403, 'key_revoked')
    })

    test('an event of a stream arrives before the next one leaves', async () => {
      const sent = request({
        host: '127.0.0.1',
        port: proxy.port,
        path: '/v1/files/stream',
        headers: { 'X-API-Key': right.key },
        agent: false,
      })
      sent.end()
      const [response] = await once(sent, 'response')
      const [first] = await once(response.setEncoding('utf8'), 'data')
      expect(first).toBe('data: first\n\n')
      stage.echo.goOn()
      expect(await text(response)).toBe('data: second\n\n')
    })

    test('a WebSocket is refused at its handshake, or opens', async () => {
      const upgrade: readonly Header[] = [
        ['Connection', 'Upgrade'],
        ['Upgrade', 'websocket'],
        ['Sec-WebSocket-Version', '13'],
        ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
      ]
      const handshake = { method: 'GET', path: '/v1/files/live' } as const
      await refused({ ...handshake, headers: upgrade }, 401, 'key_missing')
      const answer = await ask({ ...handshake, headers: [...upgrade, keyHeader(right)] })
      expect(answer.status).toBe(101)
    })

    more?.(() => stage)

    // These come last: one ends Modelward, the other the proxy.
    test(`${whenGone.status}: Modelward is gone, for public routes too`, async () => {
      await stage.kill()
      const before = stage.echo.heads.length
      for (const asked of [{ headers: [keyHeader(right)] }, {}, { method: 'GET', path: '/health' }]) {
        const answer = await ask(asked)
        expect(answer.status).toBe(whenGone.status)
        if (whenGone.code === undefined) continue
        expect(JSON.parse(answer.body)).toMatchObject({ status: whenGone.status, code: whenGone.code })
        expect(answer.headers.get('retry-after')).toEqual(['1'])
      }
      expect(stage.echo.heads.length).toBe(before)
    })

    test('no key is in a log, and none has reached the model server', async () => {
      await proxy[Symbol.asyncDispose]()
      const logs = { proxy: proxy.logs(), modelward: stage.log() }
      expect(logs.proxy).toContain('/v1/files/stream')
      for (const [of, lines] of Object.entries(logs))
        expect(
          lines.split('\n').filter((line) => line.includes('mw_live_')),
          of,
        ).toEqual([])
      expect(stage.echo.heads.filter((head) => head.includes('mw_live_'))).toEqual([])
    })
  })
}
