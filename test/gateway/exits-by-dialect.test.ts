import { describe, expect, test } from 'vitest'
import { Fault } from '../../src/core/fault.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { createInProcessLimiter } from '../../src/limits/in-process/in-process-limiter.ts'
import type { Limiter } from '../../src/limits/limiter.ts'
import { createTestTime } from '../support/test-time.ts'
import { breakLedger, openEndingCalls, readToItsEnd } from './ending-calls.ts'
import { openGateway } from './open-gateway.ts'
import { type Behaviour, chunk, done, hostile, said, startHostile, usage } from './simulators/hostile.ts'
import { event } from './simulators/words.ts'

const headOf = (type: string): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`
const named = (type: string, more: object): string => `event: ${type}\n${event({ type, ...more })}`
const line = (value: object): string => `${JSON.stringify(value)}\n`

/** How streams of a dialect go: its route, two pieces of text, and what ends it. */
const dialects = {
  anthropic: {
    preset: 'vllm',
    path: '/v1/messages',
    bound: (max: number) => ({ max_tokens: max, stream: true }),
    type: 'text/event-stream',
    start: named('message_start', { message: { usage: { input_tokens: 7, output_tokens: 1 } } }),
    text: named('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'one' } }),
    end:
      named('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } }) +
      named('message_stop', {}),
    broken: /^event: error\ndata: \{"type":"error","error":\{"type":"\w+","message":"[^"]+"\}\}$/,
    isTerminal: /message_stop/,
    whole: { type: 'message', content: [], usage: { input_tokens: 7, output_tokens: 2 } },
    refusal: { type: 'error', error: { type: 'api_error' } },
  },
  ollama: {
    preset: 'ollama',
    path: '/api/chat',
    bound: (max: number) => ({ options: { num_predict: max } }),
    type: 'application/x-ndjson',
    start: '',
    text: line({ model: 'm', message: { role: 'assistant', content: 'one' }, done: false }),
    end: line({ model: 'm', done: true, prompt_eval_count: 7, eval_count: 2 }),
    broken: /^\{"error":"[^"]+"\}$/,
    isTerminal: /"done":true/,
    whole: { model: 'm', done: true, prompt_eval_count: 7, eval_count: 2 },
    refusal: { error: expect.any(String) },
  },
} as const

async function openDialect(
  name: keyof typeof dialects,
  behaviour: Behaviour,
  wrap?: (ledger: Ledger) => Ledger,
) {
  const dialect = dialects[name]
  const upstream = await startHostile(behaviour)
  const gateway = await openGateway({
    upstreams: [{ preset: dialect.preset, url: upstream.url, models: 'listed', health: null }],
    models: [{ name: 'm', to: [{ upstream: dialect.preset, model: 'm' }], limits: [] }],
    ...(wrap && { ledger: wrap }),
  })
  const { text: key, record } = await gateway.ward.keys.create({
    name: 'limited',
    limits: ['100000 tokens/h', '2 concurrent'],
  })
  const ask = (more: object = {}): Promise<Response> =>
    gateway.post(
      dialect.path,
      { model: 'm', messages: [{ role: 'user', content: 'why' }], ...dialect.bound(100), ...more },
      { key },
    )
  return {
    ...gateway,
    ...dialect,
    upstream,
    ask,
    keyId: record.id,
    async used(): Promise<readonly (number | undefined)[]> {
      await expect.poll(() => gateway.gateway.callsOpen()).toBe(0)
      const views = await gateway.ward.limits.status(record.id)
      return ['100000 tokens/h', '2 concurrent'].map((one) => views.find(({ limit }) => limit === one)?.used)
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await upstream.close()
    },
  }
}

/** The last thing that a stream said. */
const lastOf = (text: string): string =>
  text
    .trimEnd()
    .split(/\n\n|\n(?=\{)/)
    .at(-1) ?? ''

describe.each(Object.keys(dialects) as (keyof typeof dialects)[])(
  'a call in the dialect of %s ends',
  (name) => {
    const { type, start, text, end, whole } = dialects[name]
    const head = headOf(type)
    const piece = (of: string): string => (of === '' ? '' : chunk(of).toString())

    test('as a stream, whole, with what its upstream says', async () => {
      await using opened = await openDialect(name, ({ write }) =>
        write(head + piece(start) + piece(text) + piece(end) + '0\r\n\r\n'),
      )
      const got = await readToItsEnd(await opened.ask())
      expect(got).toMatchObject({ isWhole: true, text: start + text + end })
      expect(opened.records()).toMatchObject([
        { event: 'request.started' },
        {
          event: 'request.finished',
          code: null,
          measures: { prompt_tokens: 7, completion_tokens: 2, tokens: 9 },
        },
      ])
      expect(await opened.used()).toEqual([9, 0])
    })

    test('whole, with what its upstream says', async () => {
      const body = JSON.stringify(whole)
      await using opened = await openDialect(name, ({ write }) =>
        write(
          `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        ),
      )
      const got = await readToItsEnd(await opened.ask({ stream: false }))
      expect(got).toMatchObject({ status: 200, isWhole: true, text: body })
      expect(opened.records()).toMatchObject([{ event: 'request.admitted', measures: { tokens: 9 } }])
      expect(await opened.used()).toEqual([9, 0])
    })

    test.each([
      ['dies', ({ reset }: { reset: () => void }) => reset(), 'upstream_failed', 'upstream'],
      ['is cut for its key is revoked', undefined, 'key_revoked', 'revoked'],
      ['is cut for the server closes', undefined, 'overloaded', 'shutdown'],
    ] as const)(
      'in the middle, for it %s: it says so, and has no proper end',
      async (how, die, code, reason) => {
        await using opened = await openDialect(name, async ({ write, reset }) => {
          await write(head + piece(start) + piece(text))
          die?.({ reset })
        })
        const answer = await opened.ask()
        const reading = readToItsEnd(answer)
        await expect.poll(() => opened.records().length).toBeGreaterThan(0)
        if (how.includes('revoked')) await opened.ward.keys.revoke(opened.keyId)
        if (how.includes('closes')) await opened.gateway.shutDown()
        const got = await reading
        expect(got.isWhole).toBe(false)
        expect(got.text).not.toMatch(opened.isTerminal)
        expect(lastOf(got.text)).toMatch(opened.broken)
        const [tokens, concurrent] = await opened.used()
        expect(opened.records()[1]).toMatchObject({
          event: 'request.finished',
          code,
          measures: { tokens },
          detail: { end: reason },
        })
        expect(concurrent).toBe(0)
      },
    )

    test('cut, for it is longer than its bound: all that was reserved counts', async () => {
      await using opened = await openDialect(name, ({ write }) =>
        write(head + piece(start) + piece(text).repeat(10)),
      )
      const got = await readToItsEnd(await opened.ask(opened.bound(3)))
      expect(got.isWhole).toBe(false)
      expect(lastOf(got.text)).toMatch(opened.broken)
      const [started, finished] = opened.records()
      const reserved = started?.detail?.['reserved']
      expect(finished).toMatchObject({ measures: { tokens: reserved }, detail: { end: 'overran' } })
      expect(await opened.used()).toEqual([reserved, 0])
    })

    test('without an answer: 502 in its form, the request counts, and no token', async () => {
      await using opened = await openDialect(name, hostile['answers 500 with a trace and a key'])
      const got = await readToItsEnd(await opened.ask())
      expect(got.status).toBe(502)
      expect(JSON.parse(got.text)).toMatchObject({ ...opened.refusal, code: 'upstream_failed' })
      expect(opened.records()).toMatchObject([
        { code: 'upstream_failed', measures: { requests: 1, tokens: 0 } },
      ])
      expect(await opened.used()).toEqual([0, 0])
    })

    test('while the ledger is out at its end: broken off, and stays settled', async () => {
      await using opened = await openDialect(
        name,
        ({ write }) => write(head + piece(start) + piece(text) + piece(end) + '0\r\n\r\n'),
        breakLedger('request.finished').wrap,
      )
      const got = await readToItsEnd(await opened.ask())
      expect(got.isWhole).toBe(false)
      expect(got.text).not.toMatch(opened.isTerminal)
      expect(lastOf(got.text)).toMatch(opened.broken)
      expect(await opened.used()).toEqual([9, 0])
    })
  },
)

test('a limiter that is out at the settling: the answer leaves, the reservation stays, and is settled when it is back', async () => {
  let isOut = false
  const inner = createInProcessLimiter({ clock: Date.now, monotonic: () => performance.now() })
  const limiter: Limiter = {
    ...inner,
    settle: (...all) =>
      isOut ? Promise.reject(new Fault('limiter_unavailable', 'Redis is out')) : inner.settle(...all),
  }
  const time = createTestTime()
  await using calls = await openEndingCalls({
    ward: { limiter },
    time: { monotonic: time.clock, scheduler: time.scheduler },
  })
  const { text: key, record } = await calls.gateway.ward.keys.create({
    name: 'limited',
    limits: ['100000 tokens/h'],
  })
  const got = await calls.read(
    async ({ write }) => {
      isOut = true
      await write(headOf('text/event-stream'))
      await write(chunk(said('one', { usage }) + done))
    },
    { stream: true, max_tokens: 100 },
    { key },
  )
  expect(got).toMatchObject({ status: 200, isWhole: true })
  const [started] = await calls.quiet()
  const reserved = started?.detail?.['reserved']
  expect(Number(reserved)).toBeGreaterThan(5)
  expect(await calls.counted(record.id)).toBe(reserved)
  expect(calls.gateway.lines.join('\n')).toContain('limiter.settle_failed')
  await time.pass(20_000)
  expect(await calls.counted(record.id)).toBe(reserved)
  isOut = false
  await time.pass(30_000)
  expect(await calls.counted(record.id)).toBe(5)
})
