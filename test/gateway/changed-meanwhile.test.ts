import { describe, expect, test } from 'vitest'
import { Fault } from '../../src/core/fault.ts'
import type { KeyStore } from '../../src/keys/store/key-store.ts'
import { createInProcessLimiter } from '../../src/limits/in-process/in-process-limiter.ts'
import type { Limiter } from '../../src/limits/limiter.ts'
import { createMemoryKeyStore } from '../../src/storage/memory/key-store.ts'
import { createTestTime } from '../support/test-time.ts'
import { breakLedger, type EndingOptions, openLimitedCalls, readToItsEnd } from './ending-calls.ts'
import { openGateway } from './open-gateway.ts'
import {
  type Behaviour,
  chunk,
  done,
  said,
  sseHead,
  startHostile,
  usage,
  whole,
} from './simulators/hostile.ts'

const stream = { stream: true, max_tokens: 100 }

/** An event; then, at the test's word, all the rest. */
const paused: Behaviour = async ({ write, turn }) => {
  await write(sseHead)
  await write(chunk(said('one')))
  await turn()
  await write(chunk(said('two', { usage }) + done))
  await write('0\r\n\r\n')
}

/** Calls of a key with limits, of which one may be under way when something changes. */
async function open(options: EndingOptions = {}) {
  const calls = await openLimitedCalls(options)
  return {
    ...calls,
    /** A stream of which the first event has come. */
    async begin() {
      const reading = readToItsEnd(await calls.ask(paused, stream, calls))
      return { rest: () => reading }
    },
  }
}

test('a limiter that is out as tokens are reserved: 503, no upstream is asked, and nothing stays taken', async () => {
  let isOut = false
  const inner = createInProcessLimiter({ clock: Date.now, monotonic: () => performance.now() })
  const limiter: Limiter = {
    ...inner,
    take: (uses) =>
      isOut && uses.some(({ limit }) => limit.measure === 'tokens')
        ? Promise.reject(new Fault('limiter_unavailable', 'Redis is out'))
        : inner.take(uses),
  }
  await using calls = await open({ ward: { limiter } })
  isOut = true
  const got = await calls.read(paused, stream, calls)
  expect([got.status, got.headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)])
  expect(JSON.parse(got.text)).toMatchObject({ code: 'limiter_unavailable', error: { type: 'server_error' } })
  expect(await calls.quiet()).toMatchObject([{ code: 'limiter_unavailable', measures: { requests: 0 } }])
  expect(calls.upstream.requests).toEqual([])
  isOut = false
  await expect.poll(calls.limits).toEqual({ tokens: 0, requests: 0, concurrent: 0 })
})

test('a store that is out in the middle of a stream cuts no call, and says of a revocation once it is back', async () => {
  const state = { isOut: false }
  const inner = createMemoryKeyStore({ clock: Date.now })
  const store: KeyStore = {
    ...inner,
    async findKey(id) {
      if (state.isOut) throw new Fault('store_unavailable', 'PostgreSQL is out')
      return inner.findKey(id)
    },
    async replaceKey(...change) {
      const outcome = await inner.replaceKey(...change)
      // Out from the moment on in which the key is revoked.
      state.isOut = true
      return outcome
    },
  }
  const time = createTestTime()
  await using calls = await open({
    ward: { store },
    time: { monotonic: time.clock, scheduler: time.scheduler },
  })
  const { rest } = await calls.begin()
  await calls.gateway.ward.keys.revoke(calls.keyId)
  expect(state.isOut).toBe(true)
  await time.pass(5_000)
  expect(calls.gateway.gateway.callsOpen()).toBe(1)
  state.isOut = false
  await time.pass(1_000)
  const got = await rest()
  expect(got.isWhole).toBe(false)
  expect(got.text).toContain('invalid_api_key')
  expect((await calls.quiet())[1]).toMatchObject({ code: 'key_revoked', detail: { end: 'revoked' } })
})

describe('in the middle of a stream', () => {
  test('a ledger that is out, and back before its end, ends no call but those that begin meanwhile', async () => {
    const { state, wrap } = breakLedger('request.started', 'request.finished')
    state.isOut = false
    await using calls = await open({ ledger: wrap })
    const { rest } = await calls.begin()
    state.isOut = true
    expect((await calls.read(paused, stream, calls)).status).toBe(503)
    state.isOut = false
    calls.upstream.next()
    expect(await rest()).toMatchObject({ isWhole: true, text: expect.stringContaining(done) })
    expect(await calls.quiet()).toMatchObject([
      { event: 'request.started' },
      { event: 'request.finished', code: null, measures: { requests: 1, tokens: 5 } },
    ])
    expect(await calls.limits()).toEqual({ tokens: 5, requests: 1, concurrent: 0 })
  })

  test('a limit that is lowered cuts no call, keeps what it has used, and refuses the next', async () => {
    await using calls = await open()
    const { rest } = await calls.begin()
    await calls.gateway.ward.keys.update(calls.keyId, { limits: ['10 tokens/h', '1000/h', '4 concurrent'] })
    calls.upstream.next()
    expect(await rest()).toMatchObject({ isWhole: true, text: expect.stringContaining(done) })
    expect((await calls.quiet())[1]).toMatchObject({
      event: 'request.finished',
      code: null,
      measures: { requests: 1, tokens: 5 },
    })
    expect(await calls.limits()).toEqual({ tokens: 5, requests: 1, concurrent: 0 })
    const next = await calls.read(paused, stream, calls)
    expect([next.status, JSON.parse(next.text)]).toMatchObject([422, { code: 'input_invalid' }])
  })

  test('a name that comes to mean another model, or none, changes no call under way', async () => {
    const listed = ['m']
    await using upstream = await startHostile((request) => {
      if (!request.text.startsWith('GET ')) return paused(request)
      const data = listed.map((id) => ({ id }))
      return request.write(whole(200, JSON.stringify({ data }), ['content-type: application/json']))
    })
    const time = createTestTime()
    await using gateway = await openGateway({
      upstreams: [{ preset: 'vllm', url: upstream.url, health: null }],
      time: { monotonic: time.clock, scheduler: time.scheduler },
    })
    const ask = () =>
      gateway.post('/v1/chat/completions', {
        ...{ model: 'm', ...stream },
        messages: [{ role: 'user', content: 'why' }],
      })
    const answer = await ask()
    listed.splice(0, 1, 'other')
    // Longer than a list is kept.
    await time.pass(31_000)
    expect((await ask()).status).toBe(404)
    upstream.next()
    expect(await readToItsEnd(answer)).toMatchObject({ isWhole: true })
    expect(gateway.records().find(({ event }) => event === 'request.finished')).toMatchObject({
      code: null,
      measures: { tokens: 5 },
      detail: { model: 'm' },
    })
  })
})

describe('a clock that is set back by a day in the middle of a stream', () => {
  const dayMs = 86_400_000

  async function openWithClock() {
    const wall = { now: Date.UTC(2026, 10, 30, 12) }
    const clock = () => wall.now
    const limiter = createInProcessLimiter({ clock, monotonic: () => performance.now() })
    const time = createTestTime()
    const calls = await open({
      ward: { clock, limiter, monotonic: () => performance.now() },
      time: { monotonic: time.clock, scheduler: time.scheduler },
    })
    return { ...calls, wall, time }
  }

  test('leaves what was reserved to be settled, and the record with a time that has passed', async () => {
    await using calls = await openWithClock()
    const { rest } = await calls.begin()
    const before = await calls.limits()
    expect(before.tokens).toBeGreaterThan(100)
    calls.wall.now -= dayMs
    expect(await calls.limits()).toEqual(before)
    calls.upstream.next()
    expect(await rest()).toMatchObject({ isWhole: true })
    const [, record] = await calls.quiet()
    expect(record).toMatchObject({
      at: calls.wall.now,
      measures: { tokens: 5 },
      detail: { usage: 'upstream' },
    })
    expect(record?.latencyUs).toBeGreaterThan(0)
    expect(record?.latencyUs).toBeLessThan(60_000_000)
    expect(await calls.limits()).toEqual({ tokens: 5, requests: 1, concurrent: 0 })
  })

  test('moves none of its deadlines', async () => {
    await using calls = await openWithClock()
    const { rest } = await calls.begin()
    calls.wall.now -= dayMs
    await calls.time.pass(299_000)
    expect(calls.gateway.gateway.callsOpen()).toBe(1)
    await calls.time.pass(1_000)
    expect(await rest()).toMatchObject({ isWhole: false })
    expect((await calls.quiet())[1]).toMatchObject({ code: 'upstream_timeout', detail: { end: 'idle' } })
  })
})
