import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { apiKeyHeader, bearer } from '../../src/guard/scheme.ts'
import { type OpenGatewayOptions, openGateway } from './open-gateway.ts'
import { rawRequest } from './raw-request.ts'
import { type Behaviour, chunk, startHostile, whole } from './simulators/hostile.ts'
import { startOpenai } from './simulators/openai.ts'

/** With a quote, so that it stands otherwise in JSON than it is. */
const credential = `sk-up"${randomBytes(12).toString('hex')}`
const model = 'gpt-5-mini'
const chat = {
  model,
  messages: [{ role: 'user', content: 'why is the sky blue' }],
}

async function openBefore(url: string, more: Partial<OpenGatewayOptions> = {}) {
  const gateway = await openGateway({
    upstreams: [{ preset: 'openai', url, key: { env: 'UPSTREAM_KEY' } }],
    models: [{ name: model, to: [{ upstream: 'openai', model }], limits: [] }],
    env: { UPSTREAM_KEY: credential },
    ward: { schemes: [apiKeyHeader({ name: 'x-api-key' }), bearer()] },
    ...more,
  })
  const key = await gateway.createKey()
  return { ...gateway, key }
}

/** A secret as it is, in JSON, in a URL, in Base64, what of it alone is secret, and most of it. */
function formsOf(secret: string): readonly string[] {
  const base64 = Buffer.from(secret).toString('base64').replace(/=+$/, '')
  const escaped = JSON.stringify(secret).slice(1, -1)
  return [secret, escaped, encodeURIComponent(secret), base64, secret.slice(-24), secret.slice(-24, -1)]
}

function expectWithout(texts: Readonly<Record<string, string>>, secrets: readonly string[]): void {
  for (const [place, text] of Object.entries(texts))
    for (const secret of secrets.flatMap(formsOf))
      expect(text.includes(secret), `${place}: ${text.slice(0, 2_000)}`).toBe(false)
}

/** What of the request an upstream was sent, as it came. */
const heard = (text: string) => /authorization: [^\r]*/i.exec(text)?.[0] ?? 'nothing'

const asJson = ['content-type: application/json']
const sse = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'

/** Upstreams that say what they were sent where it is not theirs to say. */
const telling: Readonly<Record<string, Behaviour>> = {
  'in the body of a 500': ({ text, write }) =>
    write(whole(500, JSON.stringify({ error: heard(text) }), asJson)),
  'in the body of a 500 of which all but the end has come': async ({ text, write }) => {
    await write('HTTP/1.1 500 Said\r\ntransfer-encoding: chunked\r\n\r\n')
    await write(chunk(heard(text).slice(0, -1)))
  },
  'in a trace of a 502': ({ text, write }) => write(whole(502, `Traceback\n  ${heard(text)}\n  at app.py:3`)),
  'in the body of a 401': ({ text, write }) => write(whole(401, `Incorrect key: ${heard(text)}`, asJson)),
  'in the body of a 403': ({ text, write }) => write(whole(403, heard(text), asJson)),
  'in the body of a 400': ({ text, write }) =>
    write(whole(400, JSON.stringify({ error: heard(text) }), asJson)),
  'in the id of a 200': ({ text, write }) =>
    write(whole(200, '{"choices":[]}', [...asJson, `x-request-id: ${heard(text)}`])),
  'in Base64 in a 503': ({ text, write }) =>
    write(whole(503, Buffer.from(heard(text).slice('authorization: Bearer '.length)).toString('base64'))),
  'in the headers of a 500': ({ text, write }) => write(whole(500, '{}', [`x-debug: ${heard(text)}`])),
  'in the headers of a 200': ({ text, write }) =>
    write(
      whole(200, '{"choices":[]}', [...asJson, `x-debug: ${heard(text)}`, `set-cookie: k=${heard(text)}`]),
    ),
  'in the place of an answer': ({ text, write }) => write(`${heard(text)}\r\n\r\n`),
  'in a redirect': ({ text, write }) =>
    write(whole(307, '', [`location: http://127.0.0.1:9/?${encodeURIComponent(heard(text))}`])),
  'as it dies in a stream': async ({ text, write, reset }) => {
    await write(sse)
    await write(chunk('data: {"choices":[{"index":0,"delta":{"content":"one"}}]}\n\n'))
    await write(`${heard(text)}\r\n`)
    reset()
  },
}

describe('the upstream’s credential', () => {
  test.each(Object.entries(telling))('stays here though an upstream says it %s', async (_, behaviour) => {
    await using server = await startHostile(behaviour)
    await using gateway = await openBefore(server.url)
    const { key, url } = gateway
    const body = JSON.stringify({ ...chat, stream: true })
    const answer = await rawRequest(url, {
      method: 'POST',
      path: '/v1/chat/completions',
      key,
      body,
      headers: { 'content-type': 'application/json' },
    }).catch((error: unknown) => ({ status: 0, headers: {}, text: String(error) }))
    await expect.poll(() => gateway.records().length).toBeGreaterThan(0)
    expect(server.requests[0]?.text).toContain(`authorization: Bearer ${credential}`)
    expectWithout(
      {
        body: answer.text,
        headers: JSON.stringify(answer.headers),
        log: gateway.lines.join('\n'),
        records: JSON.stringify(gateway.records()),
        upstreams: JSON.stringify(gateway.gateway.upstreams()),
      },
      [credential, key],
    )
  })
})

describe('a caller’s key', () => {
  test('is in nothing that is written, logged or sent on, wherever else its client puts it', async () => {
    await using openai = await startOpenai({ key: credential })
    await using gateway = await openBefore(openai.url)
    const { key, url } = gateway
    const json = { 'content-type': 'application/json' }
    const path = '/v1/chat/completions'
    const other = {
      ...json,
      'x-request-id': key,
      'openai-organization': key,
      cookie: `key=${key}`,
      'user-agent': key,
      'x-forwarded-for': key,
      referer: `http://x/?key=${key}`,
      traceparent: key,
      tracestate: `vendor=${key}`,
      'openai-beta': key,
      accept: `text/${key}`,
    }
    const asked = { method: 'POST', path, key, headers: json, body: JSON.stringify(chat) }
    const answers = [
      await rawRequest(url, asked),
      await rawRequest(url, { ...asked, headers: other }),
      await rawRequest(url, { ...asked, key: '', headers: { ...json, 'x-api-key': key } }),
      await rawRequest(url, { ...asked, key: '', headers: { ...json, authorization: `ApiKey ${key}` } }),
      await rawRequest(url, { ...asked, path: `${path}?api_key=${key}&key=${key}` }),
      await rawRequest(url, { ...asked, body: JSON.stringify({ ...chat, model: key }) }),
      await rawRequest(url, { ...asked, path: `/v1/${key}` }),
      await rawRequest(url, { ...asked, path: `/v1/models/${key}`, method: 'GET' }),
      await rawRequest(url, { ...asked, body: `{"model":"${model}","${key}":` }),
      await rawRequest(url, { ...asked, body: JSON.stringify({ ...chat, stream: key }) }),
      await rawRequest(url, { ...asked, headers: { ...json, 'content-type': `text/${key}` } }),
      await rawRequest(url, { ...asked, key: `${key}x` }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([
      200, 200, 200, 200, 200, 404, 404, 404, 422, 422, 415, 401,
    ])
    const forwarded = openai.seen.filter(({ headers }) => headers['x-request-id'] !== undefined)
    expect(forwarded).toHaveLength(5)
    expect(forwarded.every(({ headers }) => headers['authorization'] === `Bearer ${credential}`)).toBe(true)
    expectWithout(
      {
        forwarded: JSON.stringify(forwarded),
        log: gateway.lines.join('\n'),
        records: JSON.stringify(gateway.records()),
        answers: JSON.stringify(answers),
      },
      [key],
    )
    const others = gateway.lines.join('\n') + JSON.stringify([gateway.records(), answers])
    expectWithout({ others }, [credential])
  })

  test('that a client says to the model as well is its own text, and goes on as it came', async () => {
    await using openai = await startOpenai({ key: credential })
    await using gateway = await openBefore(openai.url)
    const { key } = gateway
    const body = { ...chat, user: key }
    expect((await gateway.post('/v1/chat/completions', body, { key })).status).toBe(200)
    expect(openai.seen.at(-1)?.body).toBe(JSON.stringify(body))
    expectWithout({ log: gateway.lines.join('\n'), records: JSON.stringify(gateway.records()) }, [key])
  })
})
