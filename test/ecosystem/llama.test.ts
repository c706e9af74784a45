import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeRandomLlama } from './engine/random-llama.ts'
import { folder, run } from './programs.ts'
import { freely, type Made, type Runtime, start } from './runtimes.ts'
import { proves } from './support.ts'

interface Usage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
}

/** What the engine says of a call on its standard output. */
interface EngineEnd {
  readonly ended: 'length' | 'stop' | 'left'
  readonly usage: Usage
}

interface CallRecord {
  readonly event: string
  readonly status: number | null
  readonly measures: Readonly<Record<string, number>>
  readonly detail: Readonly<Record<string, unknown>> | null
}

function isEnd({ event }: CallRecord): boolean {
  return event !== 'request.started'
}

const model = 'random'
const content = 'why is the sky blue? 世界 é 🙂 </s>'
const messages = [{ role: 'user' as const, content }]
/** More than the engine makes while a test runs. */
const endless = 60_000

let engine: Runtime
let gateway: Runtime
let owners = 0

beforeAll(async () => {
  await cp('test/ecosystem/processes/llama-server.ts', join(folder, 'llama-server.ts'))
  await writeFile(join(folder, `${model}.gguf`), writeRandomLlama(131_072))
  engine = await start(`node llama-server.ts ${model}.gguf`)
  const upstream = ['--upstream', engine.address(), '--preset', 'llama.cpp']
  gateway = await start('npx modelward serve', [...freely, ...upstream])
})

afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await engine?.[Symbol.asyncDispose]()
})

/** A key, and what is seen of its calls. */
interface Opened {
  readonly client: OpenAI
  readonly revoke: () => Promise<unknown>
  /** What the engine has said of its calls since. */
  readonly ends: (count: number) => Promise<readonly EngineEnd[]>
  /** Resolves once the engine has begun so many answers. */
  readonly begun: (count: number) => Promise<void>
  /** The records of the key's calls, the oldest first, once so many have ended. */
  readonly records: (ended: number) => Promise<readonly CallRecord[]>
}

async function open(...limits: readonly string[]): Promise<Opened> {
  const given = limits.flatMap((limit) => ['--limit', limit])
  // An owner of its own: for one that was refused in vain nothing is counted for a while.
  const create = ['keys', 'create', '--name', 'caller', '--owner', `owner-${++owners}`, ...given, '--json']
  const { id, key } = JSON.parse(await run('modelward', ...create)) as Made
  const from = engine.log().length
  return {
    revoke: () => run('modelward', 'keys', 'revoke', id),
    client: new OpenAI({ baseURL: `${gateway.address()}/v1`, apiKey: key, maxRetries: 0 }),
    async ends(count) {
      await engine.said(times('"ended"', count), from)
      return engine
        .log()
        .slice(from)
        .split('\n')
        .filter((line) => line.startsWith('{"ended"'))
        .map((line) => JSON.parse(line) as EngineEnd)
    },
    begun: (count) => engine.said(times('"begun"', count), from),
    async records(ended) {
      const query = ['ledger', 'query', '--key', id, '--limit', '1000', '--json']
      const read = async () => {
        const { records } = JSON.parse(await run('modelward', ...query)) as {
          readonly records: readonly CallRecord[]
        }
        return records.filter(({ detail }) => detail?.['upstream'] !== undefined).toReversed()
      }
      await expect.poll(async () => (await read()).filter(isEnd).length, { timeout: 60_000 }).toBe(ended)
      return read()
    },
  }
}

/** So many lines that begin so. */
function times(word: string, count: number): RegExp {
  return new RegExp(`(?:\\{${word}[^\\n]*\\n[^]*){${count}}`)
}

function measuresOf({ prompt_tokens, completion_tokens, total_tokens }: Usage): object {
  return { requests: 1, tokens: total_tokens, prompt_tokens, completion_tokens }
}

/** The text of a stream and the usage that it says. */
async function readAll(
  stream: AsyncIterable<OpenAI.ChatCompletionChunk>,
): Promise<{ readonly text: string; readonly usages: readonly unknown[] }> {
  let text = ''
  const usages = []
  for await (const { choices, usage } of stream) {
    text += choices[0]?.delta.content ?? ''
    if (usage) usages.push(usage)
  }
  return { text, usages }
}

describe(proves('llama.cpp'), () => {
  test('a whole answer and a stream: the record has the tokens that the engine says, and the client its text', async () => {
    const opened = await open()
    const { client } = opened
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual([model])
    const call = { model, messages, max_tokens: 24, temperature: 0 }
    const whole = await client.chat.completions.create(call)
    const text = whole.choices[0]?.message.content ?? ''
    expect(text.length).toBeGreaterThan(24)
    const silent = await readAll(await client.chat.completions.create({ ...call, stream: true }))
    const stream_options = { include_usage: true }
    const saying = await readAll(
      await client.chat.completions.create({ ...call, stream: true, stream_options }),
    )
    const old = await client.completions.create({ model, prompt: content, max_tokens: 5 })
    const ends = await opened.ends(4)
    expect(ends.map(({ ended, usage }) => [ended, usage.completion_tokens])).toEqual([
      ['length', 24],
      ['length', 24],
      ['length', 24],
      ['length', 5],
    ])
    const usages = ends.map(({ usage }) => usage)
    expect([whole.usage, saying.usages[0], old.usage]).toEqual([usages[0], usages[2], usages[3]])
    expect([silent, saying]).toEqual([
      { text, usages: [] },
      { text, usages: [usages[2]] },
    ])
    const records = await opened.records(4)
    expect(records.map(({ event }) => event)).toEqual([
      'request.admitted',
      ...['request.started', 'request.finished'],
      ...['request.started', 'request.finished'],
      'request.admitted',
    ])
    const ended = records.filter(isEnd)
    expect(ended).toMatchObject(
      usages.map((usage) => ({ status: 200, measures: measuresOf(usage), detail: { usage: 'upstream' } })),
    )
  })

  test.each([
    ['a chat', (client: OpenAI) => client.chat.completions.create({ model, messages, max_tokens: 8 })],
    ['a text', (client: OpenAI) => client.completions.create({ model, prompt: content, max_tokens: 8 })],
  ])('%s whose bytes do not fit its limit is let in by the tokens that the engine counts', async (_, ask) => {
    const counting = await open()
    const { usage } = await ask(counting.client)
    const { prompt_tokens = 0, total_tokens = 0 } = usage ?? {}
    // Neither one of its bytes each, nor what is estimated of them.
    expect(prompt_tokens).toBeGreaterThan(content.length / 2)
    expect(prompt_tokens).toBeLessThan(Buffer.byteLength(content))
    const fitting = await open(`${total_tokens} tokens/h`)
    expect((await ask(fitting.client)).usage).toEqual(usage)
    const crowded = await open(`${4 * total_tokens} tokens/h`)
    const atOnce = await Promise.all([1, 2, 3, 4].map(() => ask(crowded.client)))
    expect(atOnce.map(({ usage }) => usage)).toEqual(Array(4).fill(usage))
    const lacking = await open(`${total_tokens - 1} tokens/h`)
    await expect(ask(lacking.client)).rejects.toMatchObject({ status: 422, code: 'input_invalid' })
    expect(await lacking.ends(0)).toEqual([])
  })

  test('an answer without a bound of its own ends where its limit does', async () => {
    const opened = await open('200 tokens/h')
    const stream = await opened.client.chat.completions.create({ model, messages, stream: true })
    await readAll(stream)
    expect(await opened.ends(1)).toMatchObject([{ ended: 'length', usage: { total_tokens: 200 } }])
    expect(await opened.records(1)).toMatchObject([
      { event: 'request.started', detail: { reserved: 200 } },
      { event: 'request.finished', measures: { tokens: 200 }, detail: { usage: 'upstream' } },
    ])
  })

  test('who leaves a stream stops the engine, and is charged what was delivered', async () => {
    const opened = await open()
    const call = { model, messages, max_tokens: endless, stream: true } as const
    let read = 0
    for await (const { choices } of await opened.client.chat.completions.create(call)) {
      if (choices[0]?.delta.content) read += 1
      // The client aborts where its loop is left.
      if (read === 20) break
    }
    const [end] = await opened.ends(1)
    expect(end?.ended).toBe('left')
    const made = end?.usage.completion_tokens ?? 0
    expect(made).toBeLessThan(endless)
    const [, finished] = await opened.records(1)
    expect(finished).toMatchObject({
      event: 'request.finished',
      detail: { end: 'client', aborted: true, usage: 'estimated' },
    })
    const { tokens, prompt_tokens, completion_tokens } = finished?.measures ?? {}
    expect(completion_tokens).toBeGreaterThanOrEqual(read)
    expect(completion_tokens).toBeLessThanOrEqual(made)
    expect(tokens).toBe((prompt_tokens ?? 0) + (completion_tokens ?? 0))
  })

  test('who leaves a whole answer stops the engine too, and gives its sequence free', async () => {
    const opened = await open()
    for (const calls of [1, 2, 3]) {
      const leaving = new AbortController()
      const asking = opened.client.chat.completions.create(
        { model, messages, max_tokens: endless },
        { signal: leaving.signal },
      )
      await opened.begun(calls)
      leaving.abort()
      await expect(asking).rejects.toThrow(OpenAI.APIUserAbortError)
      const ends = await opened.ends(calls)
      expect(ends.at(-1)?.ended).toBe('left')
      expect(ends.at(-1)?.usage.completion_tokens).toBeLessThan(endless)
    }
    const after = await opened.client.chat.completions.create({ model, messages, max_tokens: 4 })
    expect(after.usage?.completion_tokens).toBe(4)
    const records = await opened.records(4)
    expect(records.slice(0, 3)).toMatchObject(Array(3).fill({ detail: { end: 'client', aborted: true } }))
  })

  test('a revoked key’s stream breaks in its client’s loop, and stops the engine', async () => {
    const opened = await open()
    const call = { model, messages, max_tokens: endless, stream: true } as const
    const stream = await opened.client.chat.completions.create(call)
    await opened.begun(1)
    const reading = readAll(stream)
    await Promise.all([opened.revoke(), expect(reading).rejects.toThrow(OpenAI.APIError)])
    expect(await opened.ends(1)).toMatchObject([{ ended: 'left' }])
    expect((await opened.records(1))[1]).toMatchObject({ detail: { end: 'revoked' } })
  })

  test('answers at once, more than the engine has places: each has its own tokens, and all their sum', async () => {
    const opened = await open()
    const { client } = opened
    const usages = await Promise.all(
      Array.from({ length: 8 }, async (_, at) => {
        const call = { model, messages, max_tokens: 10 + at, stream: true } as const
        const stream_options = { include_usage: true }
        return (await readAll(await client.chat.completions.create({ ...call, stream_options }))).usages[0]
      }),
    )
    const ends = await opened.ends(8)
    const byTokens = (all: readonly Usage[]) =>
      all.map(({ total_tokens }) => total_tokens).toSorted((a, b) => a - b)
    expect(byTokens(usages as Usage[])).toEqual(byTokens(ends.map(({ usage }) => usage)))
    const records = (await opened.records(8)).filter(isEnd)
    expect(records.map(({ measures }) => measures['tokens']).toSorted()).toEqual(byTokens(usages as Usage[]))
  })
})
