import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fault } from '../../src/core/fault.ts'
import type { LedgerEntry } from '../../src/ledger/format/record.ts'
import { scaled } from '../support/scaled.ts'
import { createTestTime } from '../support/test-time.ts'
import { breakLedger, holdLedger, openEndingCalls, openLimitedCalls, readToItsEnd } from './ending-calls.ts'
import {
  type Behaviour,
  chunk,
  done,
  type HostileName,
  hostile,
  said,
  sseHead,
  usage,
  whole,
} from './simulators/hostile.ts'

const stream = { stream: true, max_tokens: 100 }

const answersWhole = hostile['answers JSON to a stream']

/** Streams to its end, before which it says the usage. */
const streamsWhole: Behaviour = async ({ write }) => {
  await write(sseHead)
  await write(chunk(said('one') + said('two', { usage }) + done))
  await write('0\r\n\r\n')
}

const stalls = hostile['stays open in the middle']

const eventsOf = (records: readonly LedgerEntry[]): readonly string[] => records.map(({ event }) => event)

describe('a call ends', () => {
  test('refused by a field, the model or a limit: nothing is used, and the upstream is not asked', async () => {
    await using exits = await openLimitedCalls()
    const { key } = exits
    const refused = [
      await exits.read(answersWhole, { service_tier: 'auto' }, { key }),
      await exits.read(answersWhole, { model: 'none' }, { key }),
      await exits.read(answersWhole, { max_tokens: 1_000_000 }, { key }),
    ]
    expect(refused.map(({ status }) => status)).toEqual([422, 404, 422])
    expect(await exits.limits()).toEqual({ tokens: 0, requests: 0, concurrent: 0 })
    const records = await exits.quiet()
    expect(records.map(({ event, code, measures }) => [event, code, measures])).toEqual([
      ['request.admitted', 'input_invalid', { requests: 0 }],
      ['request.admitted', 'model_not_found', { requests: 0 }],
      ['request.admitted', 'input_invalid', { requests: 0 }],
    ])
    expect(exits.upstream.requests).toEqual([])
  })

  test.each([
    ['dies before the head', 502, 'upstream_failed', 1],
    ['dies after the head', 502, 'upstream_failed', 1],
    ['closes before the head', 502, 'upstream_failed', 1],
    ['is not HTTP', 502, 'upstream_failed', 1],
    ['has a head of 17 KiB', 502, 'upstream_failed', 1],
    ['upgrades unasked', 502, 'upstream_failed', 1],
    ['answers 301', 502, 'upstream_failed', 1],
    ['answers 401', 502, 'upstream_failed', 1],
    ['answers 403', 502, 'upstream_failed', 1],
    ['answers 500 with a trace and a key', 502, 'upstream_failed', 1],
    ['answers 503', 503, 'upstream_unavailable', 1],
    ['says a length that is too long', 502, 'upstream_failed', 1],
  ] as const)(
    'without an answer where its upstream %s: the request counts, and no token',
    async (name, status, code, attempts) => {
      await using exits = await openLimitedCalls()
      const got = await exits.read(hostile[name], stream, exits)
      expect(got).toMatchObject({ status, isWhole: true })
      expect(JSON.parse(got.text)).toMatchObject({ code, error: { type: 'server_error' } })
      expect(got.headers.get('retry-after')).toBe(status === 503 ? '3' : null)
      expect(await exits.quiet()).toMatchObject([
        {
          event: 'request.admitted',
          status,
          code,
          measures: { requests: 1, tokens: 0 },
          detail: { upstream: 'openai', attempts, usage: 'none' },
        },
      ])
      expect(await exits.limits()).toEqual({ tokens: 0, requests: 1, concurrent: 0 })
      expect(got.text).not.toMatch(/sk-upstream|Traceback|169\.254/)
      await expect.poll(exits.upstream.connections).toBeLessThanOrEqual(1)
    },
  )

  test.each([
    ['first byte', 'says nothing', 600_000],
    ['first byte', 'says nothing after the head', 600_000],
  ] as const)('in 504 without a %s, where its upstream %s', async (_, name, ms) => {
    const time = createTestTime()
    await using exits = await openLimitedCalls({ time: { monotonic: time.clock, scheduler: time.scheduler } })
    const reading = exits.read(hostile[name], stream, exits)
    const request = await exits.upstream.request()
    await time.pass(ms)
    expect(await reading).toMatchObject({ status: 504 })
    expect(await exits.quiet()).toMatchObject([
      { event: 'request.admitted', code: 'upstream_timeout', measures: { requests: 1, tokens: 0 } },
    ])
    expect(await exits.limits()).toEqual({ tokens: 0, requests: 1, concurrent: 0 })
    await request.closed
  })

  test('with the upstream’s own 4xx: as it is, with the usage that it says', async () => {
    await using exits = await openLimitedCalls()
    const body = JSON.stringify({
      error: { message: 'too long' },
      usage: { prompt_tokens: 4, completion_tokens: 0 },
    })
    const got = await exits.read(
      ({ write }) => write(whole(400, body, ['content-type: application/json'])),
      {},
      exits,
    )
    expect(got).toMatchObject({ status: 400, text: body })
    const limited = await exits.read(hostile['answers 429 with Retry-After'], {}, exits)
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '7'])
    expect(await exits.quiet()).toMatchObject([
      { event: 'request.admitted', status: 400, code: null, measures: { requests: 1, tokens: 4 } },
      { event: 'request.admitted', status: 429, measures: { requests: 1, tokens: 0 } },
    ])
    expect(await exits.limits()).toEqual({ tokens: 4, requests: 2, concurrent: 0 })
  })

  test('whole: behind its record, settled', async () => {
    await using exits = await openLimitedCalls()
    const got = await exits.read(answersWhole, {}, exits)
    expect(got).toMatchObject({ status: 200, isWhole: true })
    expect(await exits.quiet()).toMatchObject([
      {
        event: 'request.admitted',
        status: 200,
        measures: { tokens: 5, prompt_tokens: 3, completion_tokens: 2 },
      },
    ])
    expect(await exits.limits()).toEqual({ tokens: 5, requests: 1, concurrent: 0 })
  })

  test('whole while the ledger is out: 503, and all is given back', async () => {
    const { state, wrap } = breakLedger('request.admitted')
    await using exits = await openLimitedCalls({ ledger: wrap })
    const got = await exits.read(answersWhole, {}, exits)
    expect(got.status).toBe(503)
    expect(JSON.parse(got.text)).toMatchObject({ code: 'ledger_unavailable' })
    expect(await exits.quiet()).toEqual([])
    expect(await exits.limits()).toEqual({ tokens: 0, requests: 0, concurrent: 0 })
    state.isOut = false
    expect((await exits.read(answersWhole, {}, exits)).status).toBe(200)
  })

  test('as a stream, to its end: the terminal event stands behind the second record', async () => {
    const ledger = holdLedger('request.finished')
    await using exits = await openLimitedCalls({ ledger: ledger.wrap })
    const answer = await exits.ask(streamsWhole, stream, exits)
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    const first = Buffer.from((await reader.read()).value ?? []).toString()
    expect(first).toContain('"two"')
    expect(first).not.toContain('[DONE]')
    const rest = reader.read()
    await expect.poll(async () => (await exits.limits()).tokens).toBe(5)
    expect(eventsOf(exits.gateway.records())).toEqual(['request.started'])
    ledger.release()
    expect(Buffer.from((await rest).value ?? []).toString()).toBe(done)
    expect((await reader.read()).done).toBe(true)
    expect(await exits.quiet()).toMatchObject([
      { event: 'request.started', status: 200, measures: {} },
      { event: 'request.finished', measures: { requests: 1, tokens: 5 }, detail: { usage: 'upstream' } },
    ])
    expect(await exits.limits()).toEqual({ tokens: 5, requests: 1, concurrent: 0 })
  })

  test('as a stream, and its client leaves behind the terminal event: it was answered', async () => {
    await using exits = await openLimitedCalls()
    const leaving = new AbortController()
    const answer = await exits.ask(hostile['stays open behind the terminal event'], stream, {
      ...{ key: exits.key, signal: leaving.signal },
    })
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    let text = ''
    while (!text.endsWith(done)) text += Buffer.from((await reader.read()).value ?? []).toString()
    leaving.abort()
    const [, record] = await exits.quiet()
    expect(record).toMatchObject({
      event: 'request.finished',
      code: null,
      measures: { completion_tokens: 1 },
    })
    expect(Object.keys(record?.detail ?? {})).not.toEqual(expect.arrayContaining(['aborted', 'end']))
    await expect.poll(async () => (await exits.limits()).concurrent).toBe(0)
  })

  test('as a stream while the ledger is out at its start: 503, all is given back, the upstream is let go', async () => {
    const { wrap } = breakLedger('request.started')
    await using exits = await openLimitedCalls({ ledger: wrap })
    const got = await exits.read(stalls, stream, exits)
    expect(got).toMatchObject({ status: 503, isWhole: true })
    expect(await exits.quiet()).toEqual([])
    expect(await exits.limits()).toEqual({ tokens: 0, requests: 0, concurrent: 0 })
    await (await exits.upstream.request()).closed
  })

  test('by its client while its first record is written, which then cannot be: nothing is used, nothing is recorded', async () => {
    const held = holdLedger('request.started')
    const broken = breakLedger('request.started')
    await using exits = await openLimitedCalls({ ledger: (ledger) => held.wrap(broken.wrap(ledger)) })
    const leaving = new AbortController()
    const asking = exits.ask(stalls, stream, { ...exits, signal: leaving.signal })
    await held.begun
    leaving.abort()
    await expect(asking).rejects.toThrow()
    await (await exits.upstream.request()).closed
    held.release()
    expect(await exits.quiet()).toEqual([])
    await expect.poll(exits.limits).toEqual({ tokens: 0, requests: 0, concurrent: 0 })
    expect(exits.gateway.lines.join('\n')).toContain('the disk is full')
  })

  test('as a stream while the ledger is out at its end: broken off, stays settled, and is made up for', async () => {
    const { state, wrap } = breakLedger('request.finished')
    const time = createTestTime()
    await using exits = await openLimitedCalls({
      ledger: wrap,
      time: { monotonic: time.clock, scheduler: time.scheduler },
    })
    const got = await exits.read(streamsWhole, stream, exits)
    expect(got).toMatchObject({ status: 200, isWhole: false })
    expect(got.text).toContain('"two"')
    expect(got.text).not.toContain('[DONE]')
    expect(got.text).toContain('"code":"ledger_unavailable"')
    expect(eventsOf(exits.gateway.records())).toEqual(['request.started'])
    expect(await exits.limits()).toEqual({ tokens: 5, requests: 1, concurrent: 0 })
    await time.pass(3_000)
    expect(eventsOf(exits.gateway.records())).toEqual(['request.started'])
    state.isOut = false
    await time.pass(30_000)
    expect((await exits.quiet())[1]).toMatchObject({
      event: 'request.finished',
      measures: { requests: 1, tokens: 5 },
      detail: { late: true, end: 'ledger', usage: 'upstream' },
    })
    await time.pass(60_000)
    expect(exits.gateway.records()).toHaveLength(2)
  })

  test.each(['estimate', 'reserved'] as const)(
    'by its client before the first byte: the prompt counts (%s)',
    async (abandoned) => {
      await using exits = await openLimitedCalls({ upstream: { abandoned } })
      const leaving = new AbortController()
      const asking = exits.ask(hostile['says nothing'], stream, { ...exits, signal: leaving.signal })
      const request = await exits.upstream.request()
      leaving.abort()
      await expect(asking).rejects.toThrow()
      await request.closed
      await expect.poll(() => exits.gateway.records().length).toBe(1)
      const [record] = await exits.quiet()
      const tokens = record?.measures['tokens'] ?? 0
      expect(record).toMatchObject({
        event: 'request.admitted',
        detail: { aborted: true, end: 'client', usage: abandoned === 'estimate' ? 'estimated' : 'reserved' },
      })
      if (abandoned === 'estimate') expect(record?.measures).toMatchObject({ completion_tokens: 0 })
      else expect(record?.measures).toMatchObject({ completion_tokens: 100 })
      expect(tokens).toBeGreaterThan(0)
      await expect.poll(exits.limits).toEqual({ tokens, requests: 1, concurrent: 0 })
    },
  )

  test('by its client in the middle: what it got counts', async () => {
    await using exits = await openLimitedCalls()
    const leaving = new AbortController()
    const answer = await exits.ask(stalls, stream, { ...exits, signal: leaving.signal })
    await answer.body?.getReader().read()
    leaving.abort()
    await (await exits.upstream.request()).closed
    const [, record] = await exits.quiet()
    expect(record).toMatchObject({
      event: 'request.finished',
      measures: { completion_tokens: 1 },
      detail: { aborted: true, end: 'client', usage: 'estimated' },
    })
    await expect.poll(exits.limits).toEqual({
      tokens: record?.measures['tokens'],
      requests: 1,
      concurrent: 0,
    })
  })

  test.each([
    ['dies in an event', 1],
    ['dies in a character', 1],
    ['dies before the terminal event', 2],
    ['closes before the terminal event', 2],
  ] as const)(
    'in the middle, for its upstream %s: an error event, and no proper end',
    async (name, completion) => {
      await using exits = await openLimitedCalls()
      const got = await exits.read(hostile[name], stream, exits)
      expect(got).toMatchObject({ status: 200, isWhole: false })
      expect(got.text).toContain('"one"')
      expect(got.text).not.toContain('[DONE]')
      expect(got.text.trimEnd().split('\n\n').at(-1)).toMatch(
        /^data: \{"error":\{.*"code":"upstream_failed"\}\}$/,
      )
      const [, record] = await exits.quiet()
      expect(record).toMatchObject({
        event: 'request.finished',
        code: 'upstream_failed',
        measures: { completion_tokens: completion },
        detail: { end: 'upstream', usage: 'estimated' },
      })
      expect(await exits.limits()).toEqual({ tokens: record?.measures['tokens'], requests: 1, concurrent: 0 })
    },
  )

  test.each([
    ['idle', 300_000],
    ['total', 3_600_000],
  ] as const)('in the middle, by the clock %s', async (end, ms) => {
    const time = createTestTime()
    const own = end === 'total' ? { idleMs: 9_000_000 } : {}
    const timeouts = { connectMs: 5_000, firstByteMs: 600_000, idleMs: 300_000, totalMs: 3_600_000, ...own }
    await using exits = await openLimitedCalls({
      upstream: { timeouts },
      time: { monotonic: time.clock, scheduler: time.scheduler },
    })
    const reading = exits.read(stalls, stream, exits)
    await expect.poll(() => eventsOf(exits.gateway.records())).toEqual(['request.started'])
    await time.pass(ms)
    const got = await reading
    expect(got.isWhole).toBe(false)
    expect(got.text).toContain('"code":"upstream_timeout"')
    await (await exits.upstream.request()).closed
    expect((await exits.quiet())[1]).toMatchObject({ code: 'upstream_timeout', detail: { end } })
  })

  test('cut, for it is longer than its bound: all that was reserved counts', async () => {
    await using exits = await openLimitedCalls()
    const got = await exits.read(
      hostile['sends more events than the bound'],
      { ...stream, max_tokens: 3 },
      exits,
    )
    expect(got.isWhole).toBe(false)
    expect(got.text).toContain('"code":"upstream_failed"')
    const [started, record] = await exits.quiet()
    expect(record).toMatchObject({ detail: { end: 'overran', usage: 'reserved' } })
    expect(record?.measures['tokens']).toBe(started?.detail?.['reserved'])
    expect((await exits.limits()).tokens).toBe(started?.detail?.['reserved'])
  })

  test('cut, for its key is revoked: an error event, and what it got counts', async () => {
    await using exits = await openLimitedCalls()
    const answer = await exits.ask(stalls, stream, exits)
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    await exits.gateway.ward.keys.revoke(exits.keyId)
    const said = Buffer.from((await reader.read()).value ?? []).toString()
    expect(said).toContain('invalid_api_key')
    await expect(reader.read()).rejects.toThrow()
    await (await exits.upstream.request()).closed
    expect((await exits.quiet())[1]).toMatchObject({
      code: 'key_revoked',
      measures: { completion_tokens: 1 },
      detail: { end: 'revoked', usage: 'estimated' },
    })
  })

  test('cut, for its key is revoked while a whole answer is awaited: 401 in the dialect', async () => {
    await using exits = await openLimitedCalls()
    const reading = exits.read(hostile['says nothing'], {}, exits)
    const request = await exits.upstream.request()
    await exits.gateway.ward.keys.revoke(exits.keyId)
    const got = await reading
    expect(got.status).toBe(401)
    expect(JSON.parse(got.text)).toMatchObject({ error: { code: 'invalid_api_key' }, code: 'key_revoked' })
    await request.closed
    expect(await exits.quiet()).toMatchObject([{ code: 'key_revoked', detail: { end: 'revoked' } }])
  })

  test('cut, for the server closes: an error event, recorded before all is over', async () => {
    await using exits = await openLimitedCalls()
    const answer = await exits.ask(stalls, stream, exits)
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    await exits.gateway.gateway.shutDown()
    expect(exits.gateway.records()[1]).toMatchObject({ code: 'overloaded', detail: { end: 'shutdown' } })
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toContain('"code":"overloaded"')
    await expect(reader.read()).rejects.toThrow()
    expect(exits.gateway.gateway.callsOpen()).toBe(0)
  })
})

describe('a whole answer that is too large for memory goes out in pieces', () => {
  /** Holds the first record until the upstream has done all that it does. */
  async function openHeld(behaviour: Behaviour) {
    const ledger = holdLedger('request.started')
    const exits = await openLimitedCalls({ answerMax: 1_000, ledger: ledger.wrap })
    const reading = exits.read(behaviour, {}, exits)
    await ledger.begun
    return { exits, reading, release: ledger.release, [Symbol.asyncDispose]: exits[Symbol.asyncDispose] }
  }

  const text = 'x'.repeat(100_000)

  /** Time in which the rest of it would come, were it read. */
  async function turns(): Promise<void> {
    for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }

  test('with all of it, though its end comes before the first record is durable', async () => {
    await using opened = await openHeld(({ write }) =>
      write(whole(200, text, ['content-type: application/json'])),
    )
    await turns()
    expect(opened.exits.gateway.records()).toEqual([])
    opened.release()
    expect(await opened.reading).toMatchObject({ status: 200, text, isWhole: true })
    expect(eventsOf(await opened.exits.quiet())).toEqual(['request.started', 'request.finished'])
  })

  test('and does not look whole, where its upstream dies before the first record is durable', async () => {
    await using opened = await openHeld(async ({ write, end }) => {
      await write(whole(200, text.slice(0, 2_000), ['content-type: application/json'], 9_999))
      end()
    })
    await turns()
    opened.release()
    const got = await opened.reading
    expect(got.isWhole).toBe(false)
    expect((await opened.exits.quiet())[1]).toMatchObject({
      code: 'upstream_failed',
      detail: { end: 'upstream' },
    })
  })
})

describe('however many calls end in whatever way', () => {
  const clients = [
    'reads',
    'leaves at once',
    'leaves before the head',
    'leaves as the upstream ends',
    'leaves after a piece',
  ] as const

  const inPieces: Behaviour = async ({ write }) => {
    await write(sseHead)
    for (const word of ['one', 'two', 'three']) await write(chunk(said(word)))
    await write(chunk(said('four', { usage }) + done))
    await write('0\r\n\r\n')
  }
  const large: Behaviour = ({ write }) =>
    write(whole(200, JSON.stringify({ text: 'x'.repeat(20_000) }), ['content-type: application/json']))

  const names: readonly HostileName[] = [
    'dies before the head',
    'dies after the head',
    'dies in an event',
    'dies behind the terminal event',
    'closes before the terminal event',
    'stays open behind the terminal event',
    'answers 204',
    'answers 301',
    'answers 401',
    'answers 429',
    'answers 500 with a trace and a key',
    'answers 503',
    'answers JSON to a stream',
    'answers a stream to JSON',
    'says a length that is too long',
    'says usage nowhere',
    'says usage in each event',
    'says usage beyond the bound',
    'sends more events than the bound',
  ]
  const behaviours = [answersWhole, streamsWhole, inPieces, large, ...names.map((name) => hostile[name])]

  const plan = fc.record({
    behaviour: fc.nat({ max: behaviours.length - 1 }),
    client: fc.constantFrom(...clients),
    stream: fc.boolean(),
    max_tokens: fc.integer({ min: 0, max: 20 }),
    key: fc.nat({ max: 2 }),
    revokes: fc.integer({ min: 0, max: 99 }).map((of) => of === 0),
  })

  const limitsOf = [
    ['1000000000 tokens/h', '1000000/h', '30 concurrent'],
    ['8000 tokens/h', '1000000/h'],
    ['1000000000 tokens/h', '1000000/h', '2 concurrent'],
  ]

  test('limits have counted what is recorded, and nothing stays open', { timeout: 600_000 }, async () => {
    let outs: readonly boolean[] = []
    let appended = 0
    await using calls = await openEndingCalls({
      answerMax: 10_000,
      // What a ledger that was out could not take is tried again at once.
      time: { random: () => 0 },
      ledger: (ledger) => ({
        ...ledger,
        async append(entry) {
          appended += 1
          const isOut = entry.event.startsWith('request.') && outs[appended % outs.length] === true
          if (isOut) throw new Fault('ledger_unavailable', 'the disk is full')
          await ledger.append(entry)
        },
      }),
    })
    const { ward, records } = calls.gateway

    async function play(
      plans: readonly (typeof plan extends fc.Arbitrary<infer P> ? P : never)[],
    ): Promise<void> {
      const keys = await Promise.all(limitsOf.map((limits) => ward.keys.create({ name: 'k', limits })))
      async function call({
        behaviour,
        client,
        key,
        revokes,
        ...body
      }: (typeof plans)[number]): Promise<void> {
        const used = keys[key] as (typeof keys)[number]
        const leaving = new AbortController()
        const behave = behaviours[behaviour] as Behaviour
        const asking = calls.ask(
          async (request) => {
            if (client === 'leaves before the head') leaving.abort()
            if (client !== 'leaves as the upstream ends') return behave(request)
            const leave = (how: () => void) => (): void => {
              leaving.abort()
              how()
            }
            await behave({ ...request, end: leave(request.end), reset: leave(request.reset) })
            leaving.abort()
          },
          body,
          { key: used.text, signal: leaving.signal },
        )
        if (revokes) await ward.keys.revoke(used.record.id).catch(() => {})
        if (client === 'leaves at once') leaving.abort()
        const answer = await asking.catch(() => undefined)
        if (answer === undefined) return
        if (client === 'leaves after a piece') {
          await answer.body
            ?.getReader()
            .read()
            .catch(() => {})
          leaving.abort()
        } else {
          const { text, isWhole } = await readToItsEnd(answer)
          if (answer.headers.get('content-type') === 'text/event-stream' && isWhole)
            expect(text).toContain('[DONE]')
        }
      }
      await Promise.all(plans.map(call))
      await calls.quiet()
      for (const { record } of keys) {
        const sum = (measure: string): number =>
          records()
            .filter(({ keyId }) => keyId === record.id)
            .reduce((all, { measures }) => all + (measures[measure] ?? 0), 0)
        // A limit in debt shows no more than its amount.
        const amount = Number(record.limits?.[0]?.split(' ')[0])
        await expect.poll(() => calls.counted(record.id)).toBe(Math.min(amount, sum('tokens')))
        await expect.poll(() => calls.counted(record.id, 'requests')).toBe(sum('requests'))
        if (record.limits?.length === 3)
          await expect.poll(() => calls.counted(record.id, 'concurrent')).toBe(0)
      }
      const ids = records().map(({ event, requestId }) => `${event} ${requestId}`)
      expect(new Set(ids).size).toBe(ids.length)
      expect(calls.gateway.gateway.upstreams()[0]?.calls_open).toBe(0)
    }

    const runs = fc.asyncProperty(
      fc.array(plan, { minLength: 40, maxLength: 40 }),
      fc.array(
        fc.integer({ min: 0, max: 9 }).map((of) => of === 0),
        { minLength: 17, maxLength: 17 },
      ),
      async (plans, isOut) => {
        outs = isOut
        await play(plans)
      },
    )
    await fc.assert(runs, { numRuns: scaled(10), endOnFailure: true })
    await expect.poll(calls.upstream.connections).toBe(0)
  })
})
