// What users of other gateways have reported of budgets, each a promise of this one.
import { describe, expect, test } from 'vitest'
import { presets } from '../../src/gateway/presets/presets.ts'
import { createTestTime } from '../support/test-time.ts'
import { type EndingCalls, type EndingOptions, openEndingCalls, readToItsEnd } from './ending-calls.ts'
import { openGateway } from './open-gateway.ts'
import { type Behaviour, chunk, hostile, said, sseHead, startHostile, whole } from './simulators/hostile.ts'

const done = 'data: [DONE]\n\n'
const stream = { stream: true, max_tokens: 100 }
const usage = { prompt_tokens: 30, completion_tokens: 20 }
const lastChunk = '0\r\n\r\n'

const usageEvent = (of: unknown) => `data: ${JSON.stringify({ choices: [], usage: of })}\n\n`

/** Streams these events, and ends properly. */
function streams(...events: readonly string[]): Behaviour {
  return async ({ write }) => {
    await write(sseHead)
    for (const event of events) await write(chunk(event))
    await write(chunk(done))
    await write(lastChunk)
  }
}

const answersWhole: Behaviour = ({ write }) =>
  write(whole(200, JSON.stringify({ choices: [], usage }), ['content-type: application/json']))

async function openBudget(limits: readonly string[], options: EndingOptions = {}) {
  const calls = await openEndingCalls(options)
  const { text: key, record } = await calls.gateway.ward.keys.create({ name: 'k', limits })
  return {
    ...calls,
    key,
    used: () => calls.counted(record.id),
    recorded: () => recordedIn(calls),
  }
}

function recordedIn({ gateway }: EndingCalls): number {
  return gateway.records().reduce((sum, { measures }) => sum + (measures['tokens'] ?? 0), 0)
}

/** What a call of these tests reserves of prompt and answer: its bytes, the template, 100. */
function boundOf({ upstream }: EndingCalls): number {
  const [request] = upstream.requests
  const text = request?.text ?? ''
  return text.length - text.indexOf('\r\n\r\n') - 4 + 512 + 100
}

describe('calls at once', () => {
  test('are let in as far as the budget holds all that they may use, not one by one as if alone', async () => {
    await using budget = await openBudget(['3000 tokens/h'])
    const decided = Promise.withResolvers<void>()
    const behave: Behaviour = async (request) => {
      await decided.promise
      await streams(said('a'), usageEvent(usage))(request)
    }
    let refused = 0
    const asking = Array.from({ length: 100 }, async () => {
      const answer = await budget.ask(behave, stream, budget)
      if (answer.status === 429) refused += 1
      return readToItsEnd(answer)
    })
    await expect.poll(() => refused + budget.upstream.requests.length).toBe(100)
    expect(budget.upstream.requests).toHaveLength(Math.floor(3_000 / boundOf(budget)))
    decided.resolve()
    await Promise.all(asking)
    await budget.quiet()
    expect(await budget.used()).toBe(50 * budget.upstream.requests.length)
  })

  test('are all let in where the budget holds all that they may use: not one is refused in vain', async () => {
    await using budget = await openBudget(['100000 tokens/h', '100/h', '100 concurrent'])
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => budget.read(streams(said('a'), usageEvent(usage)), stream, budget)),
    )
    expect(answers.filter(({ status, isWhole }) => status !== 200 || !isWhole)).toEqual([])
    await budget.quiet()
    expect(await budget.used()).toBe(100 * 50)
    expect(budget.recorded()).toBe(100 * 50)
  })

  test('that were refused leave no trace: what is settled lower lets others in', async () => {
    await using budget = await openBudget(['1000 tokens/h'])
    const held = Promise.withResolvers<void>()
    const first = budget.read(
      async (request) => {
        await held.promise
        await streams(said('a'), usageEvent(usage))(request)
      },
      stream,
      budget,
    )
    await budget.upstream.request()
    for (let call = 0; call < 5; call += 1)
      expect((await budget.read(answersWhole, stream, budget)).status).toBe(429)
    expect(await budget.used()).toBe(boundOf(budget))
    held.resolve()
    expect(await first).toMatchObject({ status: 200, isWhole: true })
    await expect.poll(budget.used).toBe(50)
    expect((await budget.read(answersWhole, stream, budget)).status).toBe(200)
    expect(await budget.used()).toBe(100)
  })

  test('of a key are as many as it may have, and a place is free once a call has ended', async () => {
    await using budget = await openBudget(['2 concurrent', '100000 tokens/h'])
    const held = Promise.withResolvers<void>()
    const behave: Behaviour = async (request) => {
      await held.promise
      await answersWhole(request)
    }
    const two = [budget.read(behave, {}, budget), budget.read(behave, {}, budget)]
    await budget.upstream.request()
    await budget.upstream.request()
    const third = await budget.read(answersWhole, {}, budget)
    expect([third.status, JSON.parse(third.text).code]).toEqual([429, 'concurrency_limited'])
    held.resolve()
    await Promise.all(two)
    await expect.poll(async () => (await budget.read(answersWhole, {}, budget)).status).toBe(200)
  })
})

describe('a budget that is used up', () => {
  test('refuses every call behind it, and was never passed', async () => {
    await using budget = await openBudget(['2000 tokens/h'])
    const behave = streams(usageEvent({ prompt_tokens: 500, completion_tokens: 100 }))
    const statuses: number[] = []
    for (let call = 0; call < 6; call += 1) {
      statuses.push((await budget.read(behave, stream, budget)).status)
      await budget.quiet()
    }
    // Three have used 1800, and what is left is less than a fourth may use.
    expect(statuses).toEqual([200, 200, 200, 429, 429, 429])
    expect(await budget.used()).toBe(1_800)
    expect(budget.recorded()).toBe(1_800)
    expect(budget.upstream.requests).toHaveLength(3)
  })

  test('is in debt where an answer says more than its bound, and lets in no call', async () => {
    await using budget = await openBudget(['1000000 tokens/h'])
    const got = await budget.read(hostile['says usage beyond the bound'], stream, budget)
    expect(got).toMatchObject({ status: 200, isWhole: true })
    await budget.quiet()
    expect(budget.recorded()).toBe(2_000_000)
    expect((await budget.read(answersWhole, stream, budget)).status).toBe(429)
    expect(budget.upstream.requests).toHaveLength(1)
  })

  test('lets in no call on what is left of it: a reservation is whole, or the call is refused', async () => {
    await using budget = await openBudget(['1000 tokens/h'])
    await budget.read(answersWhole, stream, budget)
    const used = await budget.used()
    expect(used).toBe(50)
    const requests = budget.upstream.requests.length
    // There is room for some of its answer, and not for all that it asks for.
    const asks = 1_000 - 20 - (boundOf(budget) - 100)
    const refused = await budget.read(answersWhole, { stream: true, max_tokens: asks }, budget)
    expect(refused.status).toBe(429)
    expect(await budget.used()).toBe(used)
    expect(budget.upstream.requests).toHaveLength(requests)
  })

  test.each(['ollama', 'vllm', 'tgi', 'openai', 'llama.cpp'] as const)(
    'is passed round by no route of %s: each that has tokens is refused, and asks no upstream for more than a count',
    async (preset) => {
      await using upstream = await startHostile(hostile['answers 503'])
      await using gateway = await openGateway({
        upstreams: [{ preset, url: upstream.url, models: 'listed', health: null }],
        models: [{ name: 'm', to: [{ upstream: preset, model: 'm' }], limits: [] }],
      })
      const counted = presets[preset].routes.filter(({ form }) => form !== undefined)
      const key = await gateway.createKey({ limits: ['500 tokens/h'] })
      const body = { model: 'm', messages: [{ role: 'user', content: 'why' }], inputs: 'why', input: 'why' }
      const statuses: (readonly [string, number])[] = []
      for (const { path } of counted) {
        const answer = await gateway.post(path, body, { key })
        statuses.push([path, answer.status])
        await answer.arrayBuffer()
      }
      // What a template may add is more than all of it. What a count may still show to be less may
      // come again: the count is out, and for a while not asked for.
      const refused = presets[preset].counter === undefined ? [422] : [422, 429, 503]
      expect(statuses.filter(([, status]) => !refused.includes(status))).toEqual([])
      expect(statuses.map(([path]) => path)).toEqual(counted.map(({ path }) => path))
      expect(gateway.records().map(({ measures }) => measures['tokens'] ?? 0)).toEqual(counted.map(() => 0))
      expect(upstream.requests.filter(({ text }) => !asksForCount(text))).toEqual([])
    },
  )
})

/** Where the bound of bytes does not fit, vLLM and llama.cpp count before a call is refused. */
function asksForCount(text: string): boolean {
  return /^POST \/(?:tokenize|apply-template) /.test(text)
}

describe('a stream is charged', () => {
  test.each([
    [
      'once, though each of its events says usage',
      streams(said('a', { usage: { ...usage, completion_tokens: 1 } }), said('b', { usage })),
      50,
    ],
    ['once, though its usage is said twice', streams(said('a'), usageEvent(usage), usageEvent(usage)), 50],
    [
      'by its last event, though each before says `usage: null`',
      streams(said('a', { usage: null }), said('b', { usage: null }), usageEvent(usage)),
      50,
    ],
    ['by its events, where it says no usage at all', streams(said('a'), said('b'), said('c')), undefined],
    ['by its events, where each says `usage: null`', hostile['says usage null'], undefined],
    ['by its events, where its usage is negative', hostile['says negative usage'], undefined],
    ['by its events, where its usage is text', hostile['says usage as text'], undefined],
  ] as const)('%s', async (_, behave, tokens) => {
    await using budget = await openBudget(['100000 tokens/h'])
    expect(await budget.read(behave, stream, budget)).toMatchObject({ status: 200, isWhole: true })
    await budget.quiet()
    const used = await budget.used()
    expect(budget.recorded()).toBe(used)
    if (tokens === undefined) expect(used).toBeGreaterThanOrEqual(3)
    else expect(used).toBe(tokens)
    expect(used).toBeLessThan(boundOf(budget))
  })

  test('without being held: each event passes while its limit counts it, and while the clock stands', async () => {
    const time = createTestTime()
    await using budget = await openBudget(['100000 tokens/h'], {
      time: { monotonic: time.clock, scheduler: time.scheduler },
    })
    const events = ['one', 'two', 'three']
    const answer = await budget.ask(
      async ({ write, turn }) => {
        await write(sseHead)
        for (const event of events) {
          await write(chunk(said(event)))
          await turn()
        }
        await write(chunk(usageEvent(usage) + done))
        await write(lastChunk)
      },
      stream,
      budget,
    )
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    for (const event of events) {
      expect(Buffer.from((await reader.read()).value ?? []).toString()).toContain(event)
      budget.upstream.next()
    }
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe(done)
  })

  test('for what came of it, where the clock cuts it off', async () => {
    const time = createTestTime()
    await using budget = await openBudget(['100000 tokens/h'], {
      time: { monotonic: time.clock, scheduler: time.scheduler },
    })
    const reading = budget.read(
      async ({ write }) => {
        await write(sseHead)
        await write(chunk(said('one') + said('two')))
      },
      stream,
      budget,
    )
    await expect.poll(() => budget.gateway.records().map(({ event }) => event)).toEqual(['request.started'])
    await time.pass(300_000)
    expect((await reading).isWhole).toBe(false)
    await budget.quiet()
    expect(budget.gateway.records()[1]).toMatchObject({
      code: 'upstream_timeout',
      measures: { requests: 1, completion_tokens: 2 },
      detail: { end: 'idle', usage: 'estimated' },
    })
    expect(await budget.used()).toBe(budget.recorded())
    expect(budget.recorded()).toBeGreaterThan(2)
  })
})

test('a client that leaves while its whole answer is made is charged its prompt, and the upstream is let go', async () => {
  await using budget = await openBudget(['100000 tokens/h'])
  const leaving = new AbortController()
  const asking = budget.ask(hostile['says nothing'], {}, { key: budget.key, signal: leaving.signal })
  const request = await budget.upstream.request()
  leaving.abort()
  await expect(asking).rejects.toThrow()
  await request.closed
  await expect.poll(() => budget.gateway.records().length).toBe(1)
  expect(budget.gateway.records()[0]).toMatchObject({
    event: 'request.admitted',
    measures: { requests: 1, completion_tokens: 0 },
    detail: { aborted: true, end: 'client' },
  })
  expect(budget.recorded()).toBeGreaterThan(0)
  await expect.poll(budget.used).toBe(budget.recorded())
})
