import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readForwardAuth } from '../../src/config/forward-auth/forward-auth.ts'
import { Fault } from '../../src/core/fault.ts'
import { openTestApp, type TestApp } from '../support/test-app.ts'
import {
  type ClientRequest,
  type Outcome,
  type ProxyAnswer,
  type Replay,
  replayEnvoy,
  replayTraefik,
} from './replayed.ts'

/** The rule that the files of `examples/proxies` name. */
const models = {
  scope: 'predict',
  routes: [
    { route: 'GET /health', public: true },
    { route: 'POST /v1/chat/completions', scope: 'predict:chat', cost: { tokens: 500 } },
    { route: '* /v1/files/*' },
  ],
  unlisted: 'closed',
}
const chat = { method: 'POST', target: '/v1/chat/completions' }
const file = { method: 'GET', target: '/v1/files/a?x=1' }

let opened: TestApp
let port: number

beforeAll(async () => {
  opened = await openTestApp({ trustProxy: ['127.0.0.1'], forwardAuth: readForwardAuth({ models }) })
  await opened.app.listen({ host: '127.0.0.1', port: 0 })
  port = (opened.app.server.address() as AddressInfo).port
})
afterAll(() => opened.app.close())

async function createKey(key: object = {}): Promise<{ readonly id: string; readonly 'x-api-key': string }> {
  const scopes = ['predict', 'predict:chat']
  const { record, text } = await opened.ward.keys.create({
    name: 'k',
    owner: 'acme',
    scopes,
    limits: [],
    ...key,
  })
  return { id: record.id, 'x-api-key': text }
}

const answerOf = (outcome: Outcome): ProxyAnswer => {
  if ('answer' in outcome) return outcome.answer
  throw new Error('the request was forwarded')
}
const forwardedOf = (outcome: Outcome) => {
  if ('forwarded' in outcome) return outcome.forwarded
  throw new Error(`the request was answered: ${outcome.answer.status} ${outcome.answer.body}`)
}

describe.each([
  { name: 'Traefik, examples/proxies/traefik.yml', start: replayTraefik, whenFailing: 'ours' },
  { name: 'Envoy, examples/proxies/envoy.yaml', start: replayEnvoy, whenFailing: 'its own 503' },
])('$name', ({ start, whenFailing }) => {
  let ask: Replay
  beforeAll(() => {
    ask = start(port)
  })

  async function expectOurs(client: ClientRequest, status: number, code: string): Promise<ProxyAnswer> {
    const answer = answerOf(await ask(client))
    expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/problem+json'])
    expect(JSON.parse(answer.body)).toMatchObject({
      status,
      code,
      request_id: answer.headers['x-request-id'],
    })
    return answer
  }

  test('200: passes, with who the caller is, and without the key', async () => {
    const { id, ...key } = await createKey({ owner: 'Žofie 100%' })
    const forwarded = forwardedOf(await ask({ ...chat, headers: { ...key, accept: '*/*' } }))
    expect(forwarded).toMatchObject({
      accept: '*/*',
      'x-modelward-auth': 'admitted',
      'x-modelward-key-id': id,
      'x-modelward-owner': '%C5%BDofie%20100%25',
      'x-modelward-scopes': 'predict predict:chat',
    })
    expect(Object.keys(forwarded)).not.toContain('x-api-key')
  })

  test('200: a public route, and none of what a client forges', async () => {
    const forged = {
      'x-modelward-auth': 'forged',
      'x-modelward-key-id': 'forged',
      'x-modelward-owner': 'forged',
      'x-modelward-scopes': 'forged',
      'x-forwarded-method': 'GET',
      'x-forwarded-uri': '/health',
      'x-original-url': '/forged',
      'x-rewrite-url': '/forged',
      x_modelward_owner: 'forged',
      ...(whenFailing === 'ours' && { 'x.modelward.owner': 'forged' }),
    }
    const forwarded = forwardedOf(await ask({ method: 'GET', target: '/health?deep', headers: forged }))
    expect(forwarded).toMatchObject({
      'x-modelward-auth': 'public',
      'x-modelward-key-id': '',
      'x-modelward-owner': '',
      'x-modelward-scopes': '',
    })
    expect(JSON.stringify(forwarded)).not.toContain('forged')
    await expectOurs({ ...chat, headers: forged }, 401, 'key_missing')
    const { id: _, ...narrow } = await createKey({ scopes: ['predict'] })
    await expectOurs({ ...chat, headers: { ...narrow, ...forged } }, 403, 'scope_missing')
    expect(forwardedOf(await ask({ ...file, headers: { ...narrow, ...forged } }))).toMatchObject({
      'x-modelward-owner': 'acme',
    })
  })

  test('401 with a challenge, 403, 400 and 404: the problem as it is', async () => {
    const { id: _, ...key } = await createKey()
    expect((await expectOurs(chat, 401, 'key_missing')).headers['www-authenticate']).toContain('ApiKey')
    await expectOurs({ ...chat, headers: { 'x-api-key': opened.keys.wrong } }, 403, 'key_invalid')
    for (const target of [
      '//v1/files/a',
      '/v1/files/../chat',
      '/v1/files/%2f',
      '/v1/files/a;b',
      '/V1/Files/a',
    ])
      await expectOurs({ ...file, target, headers: key }, 400, 'request_malformed')
    await expectOurs({ method: 'GET', target: '/v1/models', headers: key }, 404, 'not_found')
  })

  test('a method that a header names in place of the request’s own passes by no other demand', async () => {
    const { id: _, ...key } = await createKey()
    for (const name of ['x-http-method-override', 'x-http-method', 'x-method-override']) {
      await expectOurs({ method: 'GET', target: '/health', headers: { [name]: 'PUT' } }, 401, 'key_missing')
      const headers = { ...key, [name]: 'PUT' }
      await expectOurs({ method: 'GET', target: '/health', headers }, 400, 'request_malformed')
    }
  })

  test('429: with Retry-After and RateLimit', async () => {
    const { id: _, ...key } = await createKey({ limits: ['1/h'] })
    forwardedOf(await ask({ ...file, headers: key }))
    const { headers } = await expectOurs({ ...file, headers: key }, 429, 'rate_limited')
    expect([headers['retry-after'], headers['ratelimit']]).toEqual(['3600', '"hour";r=0;t=3600'])
  })

  test(`503: ${whenFailing}, and nothing passes`, async () => {
    const { id: _, ...fresh } = await createKey()
    opened.ward.outage.fault = new Fault('store_unavailable', 'gone')
    try {
      if (whenFailing === 'ours') {
        const { headers } = await expectOurs({ ...chat, headers: fresh }, 503, 'store_unavailable')
        expect(headers['retry-after']).toBe('1')
      } else expect(answerOf(await ask({ ...chat, headers: fresh })).status).toBe(503)
    } finally {
      opened.ward.outage.fault = undefined
    }
  })

  test('the client’s query, and its address by another’s word, change no verdict', async () => {
    const { id: _, ...key } = await createKey({ addresses: ['203.0.113.7'] })
    for (const query of ['?x=1', '?x-forwarded-uri=/health', '?/../health', '?rule=default'])
      await expectOurs({ ...chat, target: `${chat.target}${query}` }, 401, 'key_missing')
    forwardedOf(await ask({ ...file, headers: key }))
    const elsewhere = { ...file, address: '203.0.113.8' }
    const lie = { ...key, 'x-forwarded-for': '203.0.113.7' }
    await expectOurs({ ...elsewhere, headers: lie }, 403, 'address_denied')
  })

  test('HEAD passes by the route of GET, and a preflight where a route opens it', async () => {
    expect(forwardedOf(await ask({ method: 'HEAD', target: '/health' }))).toMatchObject({
      'x-modelward-auth': 'public',
    })
    const preflight = { origin: 'https://app.example', 'access-control-request-method': 'POST' }
    await expectOurs({ method: 'OPTIONS', target: '/v1/files/a', headers: preflight }, 401, 'key_missing')
  })

  test('a revoked key is refused at the next question', async () => {
    const { id, ...key } = await createKey()
    forwardedOf(await ask({ ...file, headers: key }))
    await opened.ward.keys.revoke(id)
    await expectOurs({ ...file, headers: key }, 403, 'key_revoked')
  })
})
