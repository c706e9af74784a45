import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { openGateway } from './open-gateway.ts'
import { rawRequest } from './raw-request.ts'
import { startLlamaCpp } from './simulators/llama-cpp.ts'
import { startOllama } from './simulators/ollama.ts'
import type { Simulator } from './simulators/simulator.ts'
import { startTgi } from './simulators/tgi.ts'
import { startVllm } from './simulators/vllm.ts'

const messages = [{ role: 'user', content: 'why is the sky blue' }]

/** A route of each dialect, a call that it takes, and how the dialect's errors read. */
const dialects = {
  openai: {
    start: startLlamaCpp,
    preset: 'llama.cpp',
    path: '/v1/chat/completions',
    call: { model: 'qwen3-4b', messages, max_tokens: 8 },
    sentence: ({ error }: Said) => (error as Said)['message'],
  },
  anthropic: {
    start: startVllm,
    preset: 'vllm',
    path: '/v1/messages',
    call: { model: 'meta-llama/Llama-3.2-3B', messages, max_tokens: 8 },
    sentence: ({ error }: Said) => (error as Said)['message'],
  },
  ollama: {
    start: startOllama,
    preset: 'ollama',
    path: '/api/chat',
    call: { model: 'llama3.2:3b', messages, stream: false },
    sentence: ({ error }: Said) => error,
  },
  tgi: {
    start: startTgi,
    preset: 'tgi',
    path: '/generate',
    call: { inputs: 'why', parameters: { max_new_tokens: 8 } },
    sentence: ({ error }: Said) => error,
  },
} as const

type Said = Readonly<Record<string, unknown>>

const json = { 'content-type': 'application/json' }

async function openDialect(dialect: keyof typeof dialects, server: object = {}) {
  const { start, preset, path, call, sentence } = dialects[dialect]
  const simulator: Simulator = await start()
  const gateway = await openGateway({
    upstreams: [{ preset, url: simulator.url }],
    bodyMax: 64 * 1024,
    server,
  })
  const key = await gateway.createKey()
  const text = JSON.stringify(call)
  return {
    ...gateway,
    key,
    path,
    text,
    /** Sends a call that is changed so, and reads what a client of the dialect reads. */
    async ask(more: Partial<Parameters<typeof rawRequest>[1]>) {
      const usual = { method: 'POST', path, key, headers: json, body: text }
      const answer = await rawRequest(gateway.url, { ...usual, ...more })
      const said = JSON.parse(answer.text) as Said
      const code = said['code'] ?? said['error_type'] ?? null
      if (answer.status >= 400) {
        expect(sentence(said), answer.text).toEqual(expect.any(String))
        expect(answer.headers['content-type']).toBe('application/json')
        expect(said['request_id']).toBe(answer.headers['x-request-id'])
      }
      return { status: answer.status, code, said, headers: answer.headers }
    },
    forwarded: () => simulator.seen.filter(({ headers }) => headers['x-request-id'] !== undefined),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await simulator.close()
    },
  }
}

describe.each(Object.keys(dialects) as (keyof typeof dialects)[])('in the dialect of %s', (dialect) => {
  test('a key that is missing, wrong, in the query or an administrator’s opens nothing', async () => {
    await using opened = await openDialect(dialect)
    const { key, path } = opened
    const admin = await opened.createKey({ scopes: ['admin'] })
    const other = await opened.createKey({ scopes: ['usage:owner'] })
    const cases = [
      [{ key: '' }, 401, 'key_missing'],
      [{ key: 'sk-0123456789' }, 401, 'key_invalid'],
      [{ key: `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}` }, 401, 'key_invalid'],
      [{ key: '', path: `${path}?key=${key}&api_key=${key}` }, 401, 'key_missing'],
      [{ key: admin }, 403, 'scope_missing'],
      [{ key: other }, 403, 'scope_missing'],
    ] as const
    for (const [more, status, code] of cases) {
      const answer = await opened.ask(more)
      expect([answer.status, answer.code]).toEqual([status, code])
      if (status === 401) expect(answer.headers['www-authenticate']).toMatch(/Bearer/)
    }
    expect(opened.forwarded()).toEqual([])
  })

  test('only JSON is a call', async () => {
    await using opened = await openDialect(dialect)
    const types = [
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'text/plain',
      'application/jsonx',
      'application/json-patch+json',
      'text/application/json',
    ]
    for (const type of types) {
      const { status, code } = await opened.ask({ headers: { 'content-type': type } })
      expect([type, status, code]).toEqual([type, 415, 'media_type_unsupported'])
    }
    const none = await opened.ask({ headers: {} })
    expect([none.status, none.code]).toEqual([415, 'media_type_unsupported'])
    expect(opened.forwarded()).toEqual([])
    const charset = await opened.ask({ headers: { 'content-type': 'Application/JSON; charset=utf-8' } })
    expect(charset.status).toBe(200)
  })

  test('a body that is too large, or no JSON object of UTF-8, is refused', async () => {
    await using opened = await openDialect(dialect)
    const most = 64 * 1024
    const cases = [
      [opened.text.padEnd(most + 1), 413, 'body_too_large'],
      ['', 422, 'input_invalid'],
      ['{', 422, 'input_invalid'],
      ['[]', 422, 'input_invalid'],
      ['null', 422, 'input_invalid'],
      [`${opened.text}x`, 422, 'input_invalid'],
      [`\uFEFF${opened.text}`, 422, 'input_invalid'],
      [Buffer.from(opened.text, 'utf16le'), 422, 'input_invalid'],
      [
        Buffer.concat([Buffer.from(opened.text.slice(0, -1)), Buffer.from([0xff, 0x7d])]),
        422,
        'input_invalid',
      ],
      [`{"a":${'['.repeat(200)}${']'.repeat(200)}}`, 422, 'input_invalid'],
    ] as const
    for (const [body, status, code] of cases) {
      const answer = await opened.ask({ body })
      expect([String(body).slice(0, 20), answer.status, answer.code]).toEqual([
        String(body).slice(0, 20),
        status,
        code,
      ])
    }
    expect(opened.forwarded()).toEqual([])
    expect((await opened.ask({ body: opened.text.padEnd(most) })).status).toBe(200)
  })

  test('a field that is wrong is named', async () => {
    await using opened = await openDialect(dialect)
    const cases = [
      ['stream', { stream: 'true' }],
      ...(dialect === 'tgi' ? [] : ([['model', { model: 7 }]] as const)),
    ] as const
    for (const [field, more] of cases) {
      const body = JSON.stringify({ ...JSON.parse(opened.text), ...more })
      const { status, code, said } = await opened.ask({ body })
      expect([field, status, code]).toEqual([field, 422, 'input_invalid'])
      expect(JSON.stringify(said)).toContain(field)
      if (dialect === 'openai') expect(said['error']).toMatchObject({ param: field })
    }
    expect(opened.forwarded()).toEqual([])
  })

  test('a body in chunks passes, and is bounded as any other', async () => {
    await using opened = await openDialect(dialect)
    const chunked = { ...json, 'transfer-encoding': 'chunked' }
    expect((await opened.ask({ headers: chunked })).status).toBe(200)
    const [asked] = opened.forwarded()
    expect(asked?.headers['content-length']).toBe(String(Buffer.byteLength(asked?.body ?? '')))
    const large = await opened.ask({ headers: chunked, body: opened.text.padEnd(65 * 1024) })
    expect([large.status, large.code]).toEqual([413, 'body_too_large'])
    expect(opened.forwarded()).toHaveLength(1)
  })
})

/** Writes bytes to a server, and reads what it says until it closes, or has said this. */
function converse(url: string, text: string, until?: RegExp): Promise<string> {
  const { port } = new URL(url)
  const { promise, resolve } = Promise.withResolvers<string>()
  const socket = connect(Number(port), '127.0.0.1', () => socket.write(text))
  let said = ''
  socket.setEncoding('utf8').on('data', (piece: string) => {
    said += piece
    if (until?.test(said) === true) socket.destroy()
  })
  socket.on('error', () => {}).on('close', () => resolve(said))
  return promise
}

test('a length that lies, or comes with chunks, and what is no number reach no upstream', async () => {
  await using opened = await openDialect('openai')
  const head = `POST ${opened.path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${opened.key}\r\ncontent-type: application/json\r\nconnection: close\r\n`
  const cases = [
    [
      `content-length: ${opened.text.length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      /^HTTP\/1.1 400 /,
    ],
    [`content-length: 5\r\ncontent-length: 6\r\n\r\n{"a":1`, /^HTTP\/1.1 400 /],
    [`content-length: -1\r\n\r\n`, /^HTTP\/1.1 400 /],
    [`content-length: ${opened.text.length - 1}\r\n\r\n${opened.text}`, /^HTTP\/1.1 422 /],
  ] as const
  for (const [rest, expected] of cases)
    expect(await converse(opened.url, head + rest, /\r\n\r\n/), rest).toMatch(expected)
  expect(opened.forwarded()).toEqual([])
})

test('a client that asks before it sends is let on once its key is right, and not before', async () => {
  await using opened = await openDialect('openai')
  const headOf = (key: string) =>
    `POST ${opened.path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: ${opened.text.length}\r\n\r\n`
  const said = await converse(opened.url, headOf(opened.key) + opened.text)
  expect(said).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /)
  expect(await converse(opened.url, headOf('wrong'))).toMatch(/^HTTP\/1.1 401 /)
  expect(opened.forwarded()).toHaveLength(1)
})

test('a body that does not end is cut off at the request timeout', async () => {
  await using opened = await openDialect('openai', { requestTimeout: 200 })
  const said = await converse(
    opened.url,
    `POST ${opened.path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${opened.key}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`,
  )
  expect(said).toMatch(/^HTTP\/1.1 408 /)
  expect(opened.forwarded()).toEqual([])
})

test('a call of 16 MiB passes, and one byte more does not', async () => {
  const simulator = await startVllm()
  const most = 16 * 1_048_576
  await using gateway = await openGateway({
    upstreams: [{ preset: 'vllm', url: simulator.url }],
    bodyMax: most,
    server: { inFlightMax: 256 * 1_048_576 },
  })
  const text = JSON.stringify(dialects.anthropic.call)
  const usual = await gateway.post('/v1/messages', text.padEnd(most))
  expect(usual.status).toBe(200)
  const larger = await gateway.post('/v1/messages', text.padEnd(most + 1))
  expect([larger.status, await larger.json()]).toMatchObject([
    413,
    { type: 'error', code: 'body_too_large', error: { type: 'invalid_request_error' } },
  ])
  await simulator.close()
})
