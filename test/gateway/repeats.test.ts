import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { Fault } from '../../src/core/fault.ts'
import { createInProcessJobStore } from '../../src/storage/sqlite/jobs/in-process-job-store.ts'
import { type EndingOptions, openLimitedCalls } from './ending-calls.ts'
import { openGateway } from './open-gateway.ts'
import {
  type Behaviour,
  chunk,
  done,
  held,
  hostile,
  said,
  sseHead,
  usage,
  whole,
} from './simulators/hostile.ts'
import { startOllama } from './simulators/ollama.ts'

const json = ['content-type: application/json; charset=utf-8']
const once = { 'idempotency-key': 'order-1' }

/** Says its number: each answer is another. */
function counting(): Behaviour {
  let calls = 0
  return ({ write }) => {
    calls += 1
    return write(
      whole(200, JSON.stringify({ choices: [{ message: { content: `é${calls}` } }], usage }), json),
    )
  }
}

/** Calls under one idempotency key, with a key that has limits. */
async function open(options: EndingOptions = {}) {
  const calls = await openLimitedCalls(options, { owner: 'acme' })
  const post = { key: calls.key, headers: once }
  return {
    ...calls,
    /** The first behaviour stays. */
    send: (behaviour: Behaviour, more: object = {}, by: object = {}) =>
      calls.read(behaviour, { user: '0', ...more }, { ...post, ...by }),
  }
}

describe('a repeated call', () => {
  test('gets the first answer byte for byte, is not sent upstream again, and costs no token', async () => {
    await using calls = await open()
    const behaviour = counting()
    const first = await calls.send(behaviour)
    const again = await calls.send(behaviour, {}, { headers: { 'idempotency-key': '"order-1"' } })
    expect(first).toMatchObject({ status: 200, text: expect.stringContaining('é1') })
    expect([again.status, again.text]).toEqual([first.status, first.text])
    expect(again.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect([first, again].map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, 'true'])
    expect(again.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'))
    expect(calls.upstream.requests).toHaveLength(1)
    expect(await calls.limits()).toEqual({ tokens: 5, requests: 2, concurrent: 0 })
    expect(await calls.quiet()).toMatchObject([
      { event: 'request.admitted', status: 200, measures: { requests: 1, tokens: 5 } },
      {
        event: 'request.admitted',
        status: 200,
        measures: { requests: 1, tokens: 0 },
        detail: { repeated: true },
      },
    ])
  })

  test('is 409 while the first is under way, 422 with another body, and a call of its own under another owner', async () => {
    await using calls = await open()
    const { behaviour, asked, answer } = held(counting())
    const first = calls.send(behaviour)
    await asked
    const early = await calls.send(behaviour)
    expect([early.status, early.headers.get('retry-after')]).toEqual([409, '1'])
    expect(JSON.parse(early.text)).toMatchObject({
      code: 'idempotency_in_flight',
      error: { type: 'invalid_request_error' },
    })
    const other = await calls.send(behaviour, { temperature: 1 })
    expect([other.status, JSON.parse(other.text)]).toMatchObject([422, { code: 'idempotency_mismatch' }])
    answer()
    expect((await first).status).toBe(200)
    const key = await calls.gateway.createKey({ owner: 'other' })
    const theirs = await calls.send(behaviour, {}, { key })
    expect([theirs.status, theirs.headers.get('idempotency-replayed')]).toEqual([200, null])
    expect((await calls.send(behaviour)).headers.get('idempotency-replayed')).toBe('true')
    expect(calls.upstream.requests).toHaveLength(2)
    expect((await calls.limits()).tokens).toBe(5)
  })

  test('of another route is no repeat', async () => {
    await using calls = await open()
    await calls.send(counting())
    const body = { model: 'm', user: '0', messages: [{ role: 'user', content: 'why' }] }
    const answer = await calls.gateway.post('/v1/responses', body, { key: calls.key, headers: once })
    expect([answer.status, await answer.json()]).toMatchObject([422, { code: 'idempotency_mismatch' }])
  })

  test('gets nothing under a key of the owner that may not use the model', async () => {
    await using calls = await open()
    await calls.send(counting())
    const key = await calls.gateway.createKey({ owner: 'acme', scopes: ['predict:other'] })
    const answer = await calls.send(counting(), {}, { key })
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([404, { code: 'model_not_found' }])
  })

  test.each([
    ['is refused by the upstream', hostile['answers 429 with Retry-After'], 429],
    ['finds no answer', hostile['answers 503'], 503],
    ['breaks off', hostile['dies after the head'], 502],
    [
      'is more than may be held, and so goes out in pieces',
      (({ write }) => write(whole(200, JSON.stringify({ text: 'x'.repeat(4_096) }), json))) as Behaviour,
      200,
    ],
    [
      'comes as a stream that was not asked for',
      (async ({ write }) => {
        await write(sseHead)
        await write(chunk(said('one') + done))
      }) as Behaviour,
      200,
    ],
  ])('runs where the first %s', async (_, behaviour, status) => {
    await using calls = await open({ answerMax: 4_096 })
    expect((await calls.send(behaviour)).status).toBe(status)
    await calls.quiet()
    const again = await calls.send(behaviour)
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([status, null])
    expect(calls.upstream.requests).toHaveLength(2)
  })

  test('runs where the first was refused by a limit', async () => {
    await using calls = await open()
    const key = await calls.gateway.createKey({ owner: 'acme', limits: ['2000 tokens/h'] })
    const refused = await calls.send(counting(), { max_tokens: 4_000 }, { key })
    expect([refused.status, JSON.parse(refused.text)]).toMatchObject([422, { code: 'input_invalid' }])
    expect((await calls.send(counting(), { max_tokens: 40 })).status).toBe(200)
  })

  test('gets bytes that are no text as they were', async () => {
    await using calls = await open()
    const bytes = gzipSync(JSON.stringify({ usage }))
    const behaviour: Behaviour = ({ write }) =>
      write(Buffer.concat([Buffer.from(codedHead(bytes.length)), bytes]))
    const first = await calls.send(behaviour)
    const again = await calls.send(behaviour)
    expect(JSON.parse(first.text)).toEqual({ usage })
    expect([again.text, again.headers.get('content-encoding')]).toEqual([first.text, 'gzip'])
    expect(calls.upstream.requests).toHaveLength(1)
  })

  test('of Ollama’s own API is answered in its form, and what reads is asked each time', async () => {
    await using ollama = await startOllama()
    await using gateway = await openGateway({ upstreams: [{ preset: 'ollama', url: ollama.url }] })
    const chat = { model: 'llama3.2:3b', messages: [{ role: 'user', content: 'why' }], stream: false }
    const ask = async (body: object) => {
      const answer = await gateway.post('/api/chat', body, { headers: once })
      return [answer.status, await answer.json(), answer.headers.get('idempotency-replayed')]
    }
    const [status, body] = await ask(chat)
    expect(status).toBe(200)
    expect(await ask(chat)).toEqual([200, body, 'true'])
    expect(await ask({ ...chat, keep: 1 })).toMatchObject([
      422,
      { code: 'idempotency_mismatch', error: expect.any(String) },
      null,
    ])
    for (const time of [1, 2]) {
      const version = await gateway.post('/api/version', undefined, { method: 'GET', headers: once })
      expect([
        version.status,
        ollama.seen.filter(({ path }) => path === '/api/version').length >= time,
      ]).toEqual([200, true])
    }
    // It streams unless it is told not to.
    expect(await ask({ ...chat, stream: undefined })).toMatchObject([422, { code: 'input_invalid' }, null])
  })
})

test('a stream is not answered twice: 422, with nothing used and nothing asked', async () => {
  await using calls = await open()
  const refused = await calls.send(counting(), { stream: true })
  expect([refused.status, JSON.parse(refused.text)]).toMatchObject([
    422,
    { code: 'input_invalid', error: { message: expect.stringContaining('twice') } },
  ])
  expect(await calls.limits()).toEqual({ tokens: 0, requests: 0, concurrent: 0 })
  expect(calls.upstream.requests).toEqual([])
})

test.each(['', '"', 'a b', 'a'.repeat(256)])('the idempotency key %j is 422', async (name) => {
  await using calls = await open()
  const refused = await calls.send(counting(), {}, { headers: { 'idempotency-key': name } })
  expect([refused.status, JSON.parse(refused.text)]).toMatchObject([422, { code: 'input_invalid' }])
})

describe('a call whose answer is kept', () => {
  test('goes on when its client has gone, and its repeat gets the answer', async () => {
    await using calls = await open()
    const { behaviour, asked, answer } = held(counting())
    const leaving = new AbortController()
    const first = calls.send(behaviour, {}, { signal: leaving.signal })
    await asked
    leaving.abort()
    await expect(first).rejects.toThrow()
    await expect.poll(async () => (await calls.send(behaviour)).status).toBe(409)
    expect((await calls.limits()).concurrent).toBe(1)
    answer()
    const [lost] = await calls.quiet().then((records) => records.filter(({ detail }) => detail?.['aborted']))
    expect(lost).toMatchObject({ status: null, measures: { tokens: 5 }, detail: { usage: 'upstream' } })
    const again = await calls.send(behaviour)
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([200, 'true'])
    expect(calls.upstream.requests).toHaveLength(1)
    expect(await calls.limits()).toMatchObject({ tokens: 5, concurrent: 0 })
  })

  test('holds its bytes when its client has gone, until it has ended', async () => {
    await using calls = await open({ server: { inFlightMax: 100_000 } })
    const { behaviour, asked, answer } = held(counting())
    const leaving = new AbortController()
    const large = { prompt: 'x'.repeat(60_000) }
    const first = calls.send(behaviour, large, { signal: leaving.signal })
    await asked
    leaving.abort()
    await expect(first).rejects.toThrow()
    const other = () => calls.ask(counting(), large).then(({ status }) => status)
    expect(await other()).toBe(503)
    answer()
    await calls.quiet()
    expect(await other()).toBe(200)
  })

  test('is cut when its key is revoked, its client gone or not, and is free then', async () => {
    await using calls = await open()
    const { behaviour, asked } = held(counting())
    const leaving = new AbortController()
    const first = calls.send(behaviour, {}, { signal: leaving.signal })
    await asked
    leaving.abort()
    await expect(first).rejects.toThrow()
    await calls.gateway.ward.keys.revoke(calls.keyId)
    await (await calls.upstream.request()).closed
    expect(await calls.quiet()).toMatchObject([{ code: 'key_revoked', detail: { end: 'revoked' } }])
    const key = await calls.gateway.createKey({ owner: 'acme' })
    expect((await calls.ask(counting(), {}, { key, headers: once })).status).toBe(200)
  })

  test('is ended, and recorded, when the gateway closes though its client has gone', async () => {
    await using calls = await open()
    const { behaviour, asked } = held(counting())
    const leaving = new AbortController()
    const first = calls.send(behaviour, {}, { signal: leaving.signal })
    await asked
    leaving.abort()
    await expect(first).rejects.toThrow()
    await calls.gateway.gateway.close()
    expect(calls.gateway.records()).toMatchObject([{ detail: { end: 'shutdown' } }])
  })

  test('is 503 and costs nothing where its answer cannot be kept', async () => {
    const store = createInProcessJobStore()
    let isOut = false
    const storeAnswer: typeof store.storeAnswer = (answer) =>
      isOut ? Promise.reject(new Fault('store_unavailable', 'gone')) : store.storeAnswer(answer)
    await using calls = await open({ parts: { store: { ...store, storeAnswer } } })
    isOut = true
    const lost = await calls.send(counting())
    expect([lost.status, JSON.parse(lost.text)]).toMatchObject([503, { code: 'store_unavailable' }])
    expect(await calls.limits()).toEqual({ tokens: 0, requests: 1, concurrent: 0 })
    isOut = false
    expect((await calls.send(counting())).status).toBe(200)
    await calls.quiet()
  })

  test('is not begun where its owner has as much kept as they may', async () => {
    await using calls = await open({ parts: { jobs: { ownerBytesMax: 1_024 } } })
    expect((await calls.send(counting())).status).toBe(200)
    const full = await calls.send(counting(), {}, { headers: { 'idempotency-key': 'order-2' } })
    expect([full.status, JSON.parse(full.text)]).toMatchObject([429, { code: 'storage_exhausted' }])
    expect(calls.upstream.requests).toHaveLength(1)
    expect((await calls.send(counting())).headers.get('idempotency-replayed')).toBe('true')
  })
})

const codedHead = (length: number): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: ${length}\r\n\r\n`
