import Anthropic from '@anthropic-ai/sdk'
import { Ollama } from 'ollama'
import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { apiKeyHeader, bearer } from '../../src/guard/scheme.ts'
import { type OpenGatewayOptions, openGateway } from './open-gateway.ts'
import { chunk, type HostileName, hostile, startHostile } from './simulators/hostile.ts'
import { startOllama } from './simulators/ollama.ts'
import { startOpenai } from './simulators/openai.ts'
import type { Simulator } from './simulators/simulator.ts'
import { startVllm } from './simulators/vllm.ts'
import { usualWords } from './simulators/words.ts'

const kinds = {
  openai: { start: startOpenai, model: 'gpt-5-mini' },
  ollama: { start: startOllama, model: 'llama3.2:3b' },
  vllm: { start: startVllm, model: 'meta-llama/Llama-3.2-3B' },
} as const

type Kind = keyof typeof kinds

const said = usualWords.join('')
const user = [{ role: 'user' as const, content: 'why is the sky blue' }]

interface OpenOptions extends Partial<OpenGatewayOptions> {
  readonly limits?: readonly string[]
}

/** A gateway before a simulator, and the clients that a user would make. */
async function openClients(kind: Kind, { limits, ...more }: OpenOptions = {}) {
  const simulator = await kinds[kind].start()
  return openBefore(simulator, kind, more, limits && { limits })
}

/** Before a simulator that says piece by piece, and is asked for nothing but calls. */
async function openPaced(kind: Kind) {
  const simulator = await kinds[kind].start({ isPaced: true })
  return openBefore(simulator, kind, onlyModelOf(kind, simulator.url))
}

function onlyModelOf(kind: Kind, url: string): Partial<OpenGatewayOptions> {
  const { model } = kinds[kind]
  return {
    upstreams: [{ preset: kind, url, models: 'listed', health: null }],
    models: [{ name: model, to: [{ upstream: kind, model }], limits: [] }],
  }
}

async function openBefore<Server extends Pick<Simulator, 'url' | 'close'>>(
  simulator: Server,
  kind: Kind,
  options: Partial<OpenGatewayOptions>,
  newKey: object = {},
) {
  const gateway = await openGateway({
    upstreams: [{ preset: kind, url: simulator.url, models: 'any' }],
    ...options,
    ward: { schemes: [apiKeyHeader({ name: 'x-api-key' }), bearer()], ...options.ward },
  })
  const right = await gateway.createKey(newKey)
  return {
    ...gateway,
    simulator,
    right,
    model: kinds[kind].model,
    openai: (apiKey = right, maxRetries = 0) =>
      new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries }),
    anthropic: (apiKey = right, maxRetries = 0) =>
      new Anthropic({ baseURL: gateway.url, apiKey, maxRetries }),
    ollama: (key = right) => new Ollama({ host: gateway.url, headers: { authorization: `Bearer ${key}` } }),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await simulator.close()
    },
  }
}

async function openHostile(name: HostileName, kind: Kind = 'openai') {
  const server = await startHostile(hostile[name])
  return openBefore(server, kind, onlyModelOf(kind, server.url))
}

/** What an upstream was asked by calls: the gateway's own questions have no id. */
function askedOf({ simulator }: { readonly simulator: Simulator }) {
  return simulator.seen.filter(({ headers }) => headers['x-request-id'] !== undefined)
}

/** What a promise is rejected with. */
async function thrownBy(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (thrown) {
    return thrown
  }
  throw new Error('expected a rejection')
}

const wrongKey = `mw_live_${'A'.repeat(12)}_${'B'.repeat(43)}`

describe.each(['openai', 'ollama', 'vllm'] as const)('the client of OpenAI before %s', (kind) => {
  test('reads a chat, whole and streamed', async () => {
    await using opened = await openClients(kind)
    const { model } = opened
    const client = opened.openai()
    const whole = await client.chat.completions.create({ model, messages: user })
    expect(whole.choices[0]?.message.content).toBe(said)
    const stream = await client.chat.completions.create({ model, messages: user, stream: true })
    let text = ''
    for await (const { choices } of stream) {
      // Many a user's program reads the first choice of every chunk.
      expect(choices).toHaveLength(1)
      text += choices[0]?.delta.content ?? ''
    }
    expect(text).toBe(said)
    expect(opened.records().map(({ measures }) => measures['tokens'])).toEqual([
      whole.usage?.total_tokens,
      undefined,
      whole.usage?.total_tokens,
    ])
  })

  test('reads the usage of a stream that it asks for', async () => {
    await using opened = await openClients(kind)
    const stream = await opened.openai().chat.completions.create({
      model: opened.model,
      messages: user,
      stream: true,
      stream_options: { include_usage: true },
    })
    const usages = []
    for await (const { choices, usage } of stream) if (choices.length === 0) usages.push(usage?.total_tokens)
    expect(usages).toEqual([10])
  })

  test('reads completions and responses, whole and streamed, and embeddings', async () => {
    await using opened = await openClients(kind)
    const { model } = opened
    const client = opened.openai()
    const completion = await client.completions.create({ model, prompt: 'why', max_tokens: 8 })
    expect(completion.choices[0]?.text).toBe(said)
    const response = await client.responses.create({ model, input: 'why' })
    expect(response.output_text).toBe(said)
    const stream = client.responses.stream({ model, input: 'why' })
    expect((await stream.finalResponse()).output_text).toBe(said)
    for (const encoding_format of [undefined, 'float'] as const) {
      const { data } = await client.embeddings.create({
        model,
        input: ['a', 'b'],
        ...(encoding_format && { encoding_format }),
      })
      expect(data.map(({ embedding }) => [...embedding])).toEqual([
        [0.25, -0.5, 1],
        [0.25, -0.5, 1],
      ])
    }
  })

  test('lists the models that its key may use, and finds each of them by its name', async () => {
    await using opened = await openClients(kind)
    const client = opened.openai()
    const names = []
    for await (const { id } of client.models.list()) names.push(id)
    expect(names).toContain(opened.model)
    for (const name of names) expect(await client.models.retrieve(name)).toMatchObject({ id: name })
    expect(await thrownBy(client.models.retrieve('none'))).toBeInstanceOf(OpenAI.NotFoundError)
    expect(askedOf(opened)).toEqual([])
  })

  test('throws its own error for each that a key, a model or a body can have', async () => {
    await using opened = await openClients(kind)
    const { model } = opened
    const ask = (more: object, client = opened.openai()) =>
      thrownBy(client.chat.completions.create({ model, messages: user, ...more }))
    const wrong = await ask({}, opened.openai(wrongKey))
    expect(wrong).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(wrong).toMatchObject({ code: 'invalid_api_key', type: 'invalid_request_error' })
    const noModel = await ask({ model: 'none' })
    expect(noModel).toBeInstanceOf(OpenAI.NotFoundError)
    expect(noModel).toMatchObject({ code: 'model_not_found', requestID: expect.any(String) })
    const input = await ask({ max_tokens: 0.5 })
    expect(input).toBeInstanceOf(OpenAI.UnprocessableEntityError)
    expect(input).toMatchObject({ code: 'input_invalid', param: 'max_tokens' })
    const admin = await opened.createKey({ scopes: ['admin'] })
    expect(await ask({}, opened.openai(admin))).toBeInstanceOf(OpenAI.PermissionDeniedError)
    expect(askedOf(opened)).toEqual([])
    expect(opened.records().map(({ code, measures }) => [code, measures['requests']])).toEqual([
      ['key_invalid', 0],
      ['model_not_found', 0],
      ['input_invalid', 0],
      ['scope_missing', 0],
    ])
  })

  test('a stream that it leaves in the middle is recorded as aborted, and gone upstream', async () => {
    await using opened = await openPaced(kind)
    const asking = opened
      .openai()
      .chat.completions.create({ model: opened.model, messages: user, stream: true })
    await opened.simulator.next(2)
    const stream = await asking
    for await (const _ of stream) break
    const [asked] = askedOf(opened)
    expect(await asked?.end).toBe('left')
    await expect.poll(() => opened.records().length).toBe(2)
    expect(opened.records()[1]).toMatchObject({ detail: { aborted: true, end: 'client' } })
  })
})

test('the client of OpenAI waits as long as a 429 says, and is answered then', async () => {
  const clock = { now: Date.now() }
  await using opened = await openClients('openai', {
    limits: ['1 requests/s'],
    ward: { clock: () => clock.now },
  })
  const { model } = opened
  const waits: (string | null)[] = []
  const client = opened.openai().withOptions({
    maxRetries: 1,
    fetch: async (input, init) => {
      const answer = await fetch(input, init)
      if (answer.status === 429) {
        waits.push(answer.headers.get('retry-after'))
        opened.ward.time.monotonic += 1_000
        opened.ward.time.now += 1_000
        clock.now += 1_000
      }
      return answer
    },
  })
  await client.chat.completions.create({ model, messages: user })
  const second = await client.chat.completions.create({ model, messages: user })
  expect([second.choices[0]?.message.content, waits]).toEqual([said, ['1']])
})

test('a wait that clients do not heed, and a quota, are told once', async () => {
  await using opened = await openClients('openai', { limits: ['1 requests/h'] })
  const { model } = opened
  let asked = 0
  const client = opened.openai().withOptions({
    maxRetries: 5,
    fetch: (input, init) => {
      asked += 1
      return fetch(input, init)
    },
  })
  await client.chat.completions.create({ model, messages: user })
  const thrown = await thrownBy(client.chat.completions.create({ model, messages: user }))
  expect(thrown).toBeInstanceOf(OpenAI.RateLimitError)
  expect(thrown).toMatchObject({ code: 'rate_limit_exceeded', type: 'requests' })
  expect(asked).toBe(2)
  const key = await opened.createKey({ limits: ['1 requests/calendar month'] })
  const other = client.withOptions({ apiKey: key })
  await other.chat.completions.create({ model, messages: user })
  expect(await thrownBy(other.chat.completions.create({ model, messages: user }))).toMatchObject({
    status: 429,
    code: 'insufficient_quota',
  })
  expect(asked).toBe(4)
})

test('the client of OpenAI hears of a broken stream, and never takes it for a whole one', async () => {
  for (const name of ['dies before the terminal event', 'closes before the terminal event'] as const) {
    await using opened = await openHostile(name)
    const stream = await opened
      .openai()
      .chat.completions.create({ model: opened.model, messages: user, stream: true })
    const heard: (string | null | undefined)[] = []
    const thrown = await thrownBy(
      (async () => {
        for await (const { choices } of stream) heard.push(choices[0]?.delta.content)
      })(),
    )
    expect(heard).toEqual(['one', 'two'])
    expect(thrown).toBeInstanceOf(OpenAI.APIError)
    expect(thrown).toMatchObject({ code: 'upstream_failed', type: 'server_error' })
  }
})

test('an upstream that is not there is the client’s InternalServerError, not a wrong key', async () => {
  await using opened = await openBefore({ url: 'http://127.0.0.1:9', close: async () => {} }, 'openai', {
    models: [{ name: 'm', to: [{ upstream: 'openai', model: 'm' }], limits: [] }],
  })
  const thrown = await thrownBy(opened.openai().chat.completions.create({ model: 'm', messages: user }))
  expect(thrown).toBeInstanceOf(OpenAI.InternalServerError)
  expect(thrown).toMatchObject({ status: 503, code: 'upstream_unavailable' })
  await using refusing = await openHostile('answers 401')
  const model = refusing.model
  const other = await thrownBy(refusing.openai().chat.completions.create({ model, messages: user }))
  expect(other).toBeInstanceOf(OpenAI.InternalServerError)
  expect(other).toMatchObject({ status: 502, code: 'upstream_failed' })
})

describe.each(['ollama', 'vllm'] as const)('the client of Anthropic before %s', (kind) => {
  const ask = { max_tokens: 64, messages: user }

  test('reads a message, whole and streamed, and lists models', async () => {
    await using opened = await openClients(kind)
    const { model } = opened
    const client = opened.anthropic()
    const whole = await client.messages.create({ model, ...ask })
    expect(whole.content).toEqual([{ type: 'text', text: said }])
    const stream = client.messages.stream({ model, ...ask })
    expect(await stream.finalText()).toBe(said)
    const { usage } = await stream.finalMessage()
    expect([usage.input_tokens, usage.output_tokens]).toEqual([5, 5])
    const names = []
    for await (const { id } of client.models.list()) names.push(id)
    expect(names).toContain(model)
    const [asked] = askedOf(opened)
    expect(asked?.headers).toMatchObject({ 'anthropic-version': expect.any(String) })
    expect(asked?.headers).not.toHaveProperty('x-api-key')
    if (kind === 'vllm')
      expect(await client.messages.countTokens({ model, messages: user })).toEqual({ input_tokens: 5 })
  })

  test('throws its own error for each that a key, a model or a body can have', async () => {
    await using opened = await openClients(kind, { limits: ['1 requests/h'] })
    const { model } = opened
    const create = (more: object, client = opened.anthropic()) =>
      thrownBy(client.messages.create({ model, ...ask, ...more }))
    const wrong = await create({}, opened.anthropic(wrongKey))
    expect(wrong).toBeInstanceOf(Anthropic.AuthenticationError)
    expect(wrong).toMatchObject({ type: 'authentication_error' })
    const noModel = await create({ model: 'none' })
    expect(noModel).toBeInstanceOf(Anthropic.NotFoundError)
    expect(noModel).toMatchObject({ type: 'not_found_error' })
    const input = await create({ max_tokens: 0.5 })
    expect(input).toBeInstanceOf(Anthropic.UnprocessableEntityError)
    expect(String(input)).toContain('max_tokens')
    await opened.anthropic().messages.create({ model, ...ask })
    const limited = await create({}, opened.anthropic(undefined, 3))
    expect(limited).toBeInstanceOf(Anthropic.RateLimitError)
    expect(opened.records()).toHaveLength(5)
  })

  test('a stream that it leaves in the middle is recorded as aborted, and gone upstream', async () => {
    await using opened = await openPaced(kind)
    const stream = opened.anthropic().messages.stream({ model: opened.model, ...ask })
    const ended = thrownBy(stream.done())
    await opened.simulator.next(3)
    await stream.withResponse()
    stream.abort()
    expect(await ended).toBeInstanceOf(Anthropic.APIUserAbortError)
    const [asked] = askedOf(opened)
    expect(await asked?.end).toBe('left')
    await expect.poll(() => opened.records().length).toBe(2)
    expect(opened.records()[1]).toMatchObject({ detail: { aborted: true, end: 'client' } })
  })
})

test('the client of Anthropic hears of a broken stream', async () => {
  await using opened = await openHostile('dies before the terminal event', 'vllm')
  const stream = opened.anthropic().messages.stream({ model: opened.model, max_tokens: 8, messages: user })
  expect(await thrownBy(stream.done())).toBeInstanceOf(Anthropic.APIError)
})

describe('the client of Ollama', () => {
  test('reads chats and texts, whole and streamed, and embeddings', async () => {
    await using opened = await openClients('ollama')
    const { model } = opened
    const client = opened.ollama()
    const whole = await client.chat({ model, messages: user })
    expect([whole.message.content, whole.eval_count]).toEqual([said, 5])
    let text = ''
    for await (const part of await client.chat({ model, messages: user, stream: true }))
      text += part.message.content
    expect(text).toBe(said)
    expect((await client.generate({ model, prompt: 'why' })).response).toBe(said)
    text = ''
    for await (const part of await client.generate({ model, prompt: 'why', stream: true }))
      text += part.response
    expect(text).toBe(said)
    const { embeddings } = await client.embed({ model: 'all-minilm', input: ['a', 'b'] })
    expect(embeddings).toHaveLength(2)
  })

  test('finds models, their descriptions and the version', async () => {
    await using opened = await openClients('ollama')
    const client = opened.ollama()
    const { models } = await client.list()
    expect(models.map(({ name }) => name)).toEqual(['all-minilm:latest', 'llama3.2:3b'])
    expect(await client.show({ model: 'all-minilm' })).toMatchObject({ capabilities: ['completion'] })
    expect(await client.version()).toEqual({ version: '0.13.0' })
  })

  test('shows a sentence of its user’s for each error', async () => {
    await using opened = await openClients('ollama')
    const { model } = opened
    const client = opened.ollama()
    const chat = (more: object, one = client) =>
      thrownBy(one.chat({ model, messages: user, ...more } as never))
    expect(await chat({}, opened.ollama(wrongKey))).toMatchObject({
      name: 'ResponseError',
      status_code: 401,
      message: expect.stringMatching(/key/i),
    })
    expect(await chat({ model: 'none' })).toMatchObject({ status_code: 404, message: expect.any(String) })
    expect(await chat({ keep_alive: '1h' })).toMatchObject({
      status_code: 422,
      message: expect.stringContaining('keep_alive'),
    })
    for (const closed of [client.ps(), client.pull({ model }), client.delete({ model })])
      expect(await thrownBy(closed)).toMatchObject({ status_code: 403, name: 'ResponseError' })
    expect(askedOf(opened)).toEqual([])
  })

  test('a stream that it leaves in the middle is recorded as aborted, and gone upstream', async () => {
    await using opened = await openPaced('ollama')
    const asking = opened.ollama().chat({ model: opened.model, messages: user, stream: true })
    await opened.simulator.next(2)
    const stream = await asking
    const reading = thrownBy(
      (async () => {
        for await (const _ of stream) stream.abort()
      })(),
    )
    expect(await reading).toMatchObject({ name: 'AbortError' })
    const [asked] = askedOf(opened)
    expect(await asked?.end).toBe('left')
    await expect.poll(() => opened.records().length).toBe(2)
    expect(opened.records()[1]).toMatchObject({ detail: { aborted: true, end: 'client' } })
  })

  test('hears of a broken stream', async () => {
    await using server = await startHostile(async ({ write, reset }) => {
      const line = `${JSON.stringify({ model: 'm', message: { role: 'assistant', content: 'one' }, done: false })}\n`
      await write(
        'HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n',
      )
      await write(chunk(line))
      reset()
    })
    await using opened = await openBefore(server, 'ollama', onlyModelOf('ollama', server.url))
    const heard: string[] = []
    const stream = await opened.ollama().chat({ model: opened.model, messages: user, stream: true })
    const reading = thrownBy(
      (async () => {
        for await (const { message } of stream) heard.push(message.content)
      })(),
    )
    // Its sentence, and not that of a connection that broke.
    expect(String(await reading)).toContain('The model server failed on this request.')
    expect(heard).toEqual(['one'])
  })
})
