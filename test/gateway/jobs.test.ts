import { describe, expect, test } from 'vitest'
import { Fault } from '../../src/core/fault.ts'
import type { JobView } from '../../src/jobs/view-job.ts'
import { createInProcessLimiter } from '../../src/limits/in-process/in-process-limiter.ts'
import { createMemoryKeyStore } from '../../src/storage/memory/key-store.ts'
import { createInProcessJobStore } from '../../src/storage/sqlite/jobs/in-process-job-store.ts'
import { type EndingOptions, openLimitedCalls } from './ending-calls.ts'
import { openGateway } from './open-gateway.ts'
import { type Behaviour, held, hostile, startHostile, usage, whole } from './simulators/hostile.ts'

const json = ['content-type: application/json']
const later = { prefer: 'respond-async' }
const answer = JSON.stringify({ choices: [{ message: { content: 'one' } }], big: 1, usage })
const answersWhole: Behaviour = ({ write }) => write(whole(200, answer, json))

/** Calls that become jobs, with a key that has limits. */
async function open(options: EndingOptions = {}) {
  const calls = await openLimitedCalls(options, { owner: 'acme', scopes: ['predict:m'] })
  const { gateway, key } = calls
  const get = async (path: string, by = key): Promise<JobView> => {
    const got = await gateway.post(path, undefined, { key: by, method: 'GET' })
    return (await got.json()) as JobView
  }
  return {
    ...calls,
    send: (behaviour: Behaviour, more: object = {}, by: object = {}) =>
      calls.read(behaviour, { max_tokens: 100, ...more }, { key, headers: later, ...by }),
    async submit(behaviour: Behaviour, more: object = {}, by: object = {}): Promise<string> {
      const accepted = await calls.read(
        behaviour,
        { max_tokens: 100, ...more },
        { key, headers: later, ...by },
      )
      expect(accepted.status).toBe(202)
      return (JSON.parse(accepted.text) as JobView).id
    },
    job: (id: string) => get(`/jobs/${id}`),
    ended: (id: string) => get(`/jobs/${id}?wait=30`),
    cancel: (id: string) => gateway.post(`/jobs/${id}`, undefined, { key, method: 'DELETE' }),
    /** The job's last record. */
    async lastOf(id: string, event: string) {
      const found = () =>
        gateway.jobRecords().findLast((one) => one.event === event && one.detail?.['job'] === id)
      await expect.poll(found).toBeDefined()
      return found()
    },
  }
}

describe('a call that prefers to be answered later', () => {
  test('is a job whose result is the upstream’s body; its bound is reserved at once, and settled at its end', async () => {
    await using calls = await open()
    const { behaviour, asked, answer: release } = held(answersWhole)
    const accepted = await calls.send(behaviour)
    const job = JSON.parse(accepted.text) as JobView
    expect(accepted).toMatchObject({ status: 202, isWhole: true })
    expect(accepted.headers.get('location')).toBe(`/jobs/${job.id}`)
    expect(accepted.headers.get('preference-applied')).toBe('respond-async')
    expect(job).toMatchObject({ model: 'm', kind: 'single', result: null })
    await asked
    const reserved = await calls.limits()
    expect(reserved.tokens).toBeGreaterThan(600)
    expect(reserved).toMatchObject({ requests: 1, concurrent: 1 })
    release()
    const ended = await calls.ended(job.id)
    expect(ended).toMatchObject({ status: 'succeeded', model: 'm', attempts: 1 })
    expect(JSON.stringify(ended.result)).toBe(answer)
    expect(await calls.lastOf(job.id, 'job.finished')).toMatchObject({
      measures: { tokens: 5, prompt_tokens: 3, completion_tokens: 2 },
      detail: { model: 'm', upstream: 'openai', usage: 'upstream', attempts: 1 },
    })
    await expect.poll(calls.limits).toEqual({ tokens: 5, requests: 1, concurrent: 0 })
    expect(calls.gateway.records()[0]).toMatchObject({ status: 202, measures: { requests: 1 } })
    expect(calls.gateway.records()[0]?.measures).not.toHaveProperty('tokens')
    // The upstream is sent what it would have been at once, and no key.
    const [request] = calls.upstream.requests
    expect(request?.text).toContain('"max_tokens":100')
    expect(request?.text).not.toContain(calls.key)
  })

  test('has the bound written that its limit lets it have, where the client set none', async () => {
    await using calls = await open()
    await calls.ended(await calls.submit(answersWhole, { max_tokens: undefined }))
    expect(calls.upstream.requests[0]?.text).toContain('"max_completion_tokens":4096')
  })

  test('is refused with a stream, too large, beyond its limit, or of a model that is not its key’s: nothing is used', async () => {
    await using calls = await open({ server: { batchBodyMax: 2_000 } })
    const { key: small } = { key: await calls.gateway.createKey({ owner: 'acme', limits: ['600 tokens/h'] }) }
    const refused = [
      await calls.send(answersWhole, { stream: true }),
      await calls.send(answersWhole, { prompt: 'x'.repeat(2_000) }),
      await calls.send(answersWhole, {}, { key: small }),
      await calls.send(answersWhole, { model: 'none' }),
    ]
    expect(refused.map(({ status }) => status)).toEqual([422, 413, 422, 404])
    for (const { text } of refused) expect(JSON.parse(text)).toHaveProperty('error.message')
    expect(calls.upstream.requests).toEqual([])
    expect(await calls.limits()).toMatchObject({ tokens: 0, concurrent: 0 })
    expect(calls.gateway.jobRecords()).toEqual([])
  })

  test('that finds the queue full uses no tokens', async () => {
    await using calls = await open({ parts: { jobs: { concurrency: 0, ownerJobsMax: 1 } } })
    await calls.submit(answersWhole)
    const { tokens } = await calls.limits()
    const full = await calls.send(answersWhole)
    expect([full.status, JSON.parse(full.text)]).toMatchObject([503, { code: 'overloaded' }])
    expect(await calls.limits()).toMatchObject({ tokens, concurrent: 1 })
    expect(calls.gateway.records().at(-1)?.measures).toEqual({ requests: 1 })
  })

  test('under an Idempotency-Key is one job, and no second call, however its repeat prefers to be answered', async () => {
    await using calls = await open()
    const once = { 'idempotency-key': 'order-1' }
    const id = await calls.submit(answersWhole, { user: '0' }, { headers: { ...later, ...once } })
    await calls.ended(id)
    for (const headers of [{ ...later, ...once }, once]) {
      const again = await calls.send(answersWhole, { user: '0' }, { headers })
      expect([again.status, JSON.parse(again.text)]).toMatchObject([202, { id, status: 'queued' }])
      expect(again.headers.get('idempotency-replayed')).toBe('true')
    }
    const other = await calls.send(answersWhole, { user: '0', n: 2 }, { headers: { ...later, ...once } })
    expect([other.status, JSON.parse(other.text)]).toMatchObject([422, { code: 'idempotency_mismatch' }])
    const two = { 'idempotency-key': 'order-2' }
    const first = await calls.send(answersWhole, { user: '0' }, { headers: two })
    const asJob = await calls.send(answersWhole, { user: '0' }, { headers: { ...later, ...two } })
    expect([asJob.status, asJob.text]).toEqual([200, first.text])
    expect(calls.upstream.requests).toHaveLength(2)
    await expect.poll(calls.limits).toMatchObject({ tokens: 10, concurrent: 0 })
  })

  test.each([
    ['revoked', 'revoke'],
    ['disabled', 'disable'],
  ] as const)(
    'whose key is %s while it runs is let go upstream, and charged as a call that is cut',
    async (status, change) => {
      await using calls = await open()
      const { behaviour, asked } = held(answersWhole)
      const id = await calls.submit(behaviour)
      await asked
      await calls.gateway.ward.keys[change](calls.keyId)
      await (await calls.upstream.request()).closed
      const record = await calls.lastOf(id, 'job.failed')
      expect(record).toMatchObject({ code: `key_${status}`, detail: { outcome: 'failed', attempt: 1 } })
      const tokens = record?.measures?.['tokens'] ?? 0
      expect(tokens).toBeGreaterThan(0)
      expect(tokens).toBeLessThan(100)
      await expect.poll(calls.limits).toEqual({ tokens, requests: 1, concurrent: 0 })
      expect(calls.upstream.requests).toHaveLength(1)
    },
  )

  test('whose key is revoked while it waits is not sent upstream, and costs no token', async () => {
    const shared = { limiter: createInProcessLimiter(), store: createMemoryKeyStore() }
    const store = createInProcessJobStore()
    await using accepting = await open({ ward: shared, parts: { store, jobs: { concurrency: 0 } } })
    const id = await accepting.submit(answersWhole)
    await accepting.gateway.ward.keys.revoke(accepting.keyId)
    const { url } = accepting.upstream
    await using running = await open({ ward: shared, parts: { store }, upstream: { url } })
    expect(await running.lastOf(id, 'job.failed')).toMatchObject({
      code: 'key_revoked',
      measures: { tokens: 0 },
    })
    await expect.poll(async () => (await accepting.limits()).tokens).toBe(0)
    expect(accepting.upstream.requests).toEqual([])
  })
})

describe('a job of a call', () => {
  test('fails at once with the upstream’s own refusal, which its owner reads', async () => {
    await using calls = await open()
    const body = JSON.stringify({
      error: { message: 'too long' },
      usage: { prompt_tokens: 4, completion_tokens: 0 },
    })
    const id = await calls.submit(({ write }) => write(whole(400, body, json)))
    expect(await calls.ended(id)).toMatchObject({
      status: 'failed',
      error: { code: 'input_invalid', detail: expect.stringContaining('too long') },
    })
    expect(await calls.lastOf(id, 'job.failed')).toMatchObject({ measures: { tokens: 4 } })
    await expect.poll(calls.limits).toEqual({ tokens: 4, requests: 1, concurrent: 0 })
    expect(calls.upstream.requests).toHaveLength(1)
  })

  test.each<readonly [string, Behaviour, string]>([
    ['answers 500', hostile['answers 500 with a trace and a key'], 'upstream_failed'],
    ['answers 429', hostile['answers 429'], 'upstream_failed'],
    ['dies after the head', hostile['dies after the head'], 'upstream_failed'],
    ['answers 503', ({ write }) => write(whole(503, '{}', json)), 'upstream_unavailable'],
  ])('is dead after its attempts where its upstream %s, and costs no token', async (_, behaviour, code) => {
    await using calls = await open({ parts: { jobs: { attemptsMax: 2 } } })
    const id = await calls.submit(behaviour)
    expect(await calls.ended(id)).toMatchObject({ status: 'dead', attempts: 2, error: { code } })
    expect(await calls.lastOf(id, 'job.failed')).toMatchObject({
      measures: { tokens: 0 },
      detail: { usage: 'none' },
    })
    await expect.poll(calls.limits).toEqual({ tokens: 0, requests: 1, concurrent: 0 })
    expect(calls.upstream.requests).toHaveLength(2)
    const sums = calls.gateway.jobRecords().map(({ measures }) => measures?.['tokens'] ?? 0)
    expect(sums.reduce((sum, tokens) => sum + tokens, 0)).toBe(0)
    const admin = await calls.gateway.createKey({ scopes: ['admin'] })
    const retried = await calls.gateway.post(`/v1/jobs/${id}/retry`, undefined, { key: admin })
    expect([retried.status, await retried.json()]).toMatchObject([422, { code: 'input_invalid' }])
  })

  test.each([
    ['answers 429 with Retry-After', 7_000],
    ['answers 503', 3_000],
  ] as const)('is tried again no sooner than its upstream says that %s', async (name, waitMs) => {
    const inner = createInProcessJobStore()
    const waits: number[] = []
    const keepMs = 3_600_000
    const settle: typeof inner.settle = async (ends, ...more) => {
      // Both are counted from when the attempt ended.
      for (const end of ends) if (end.end === 'retry') waits.push(end.retryAt - (end.expiresAt - keepMs))
      return inner.settle(ends, ...more)
    }
    await using calls = await open({ parts: { store: { ...inner, settle }, jobs: { keepMs } } })
    const id = await calls.submit(hostile[name])
    await calls.lastOf(id, 'job.failed')
    expect(waits).toEqual([waitMs])
    await calls.cancel(id)
  })

  test('is tried again, and charged once, where the first attempt failed', async () => {
    await using calls = await open()
    let tries = 0
    const id = await calls.submit((request) => {
      tries += 1
      return tries === 1 ? hostile['dies after the head'](request) : answersWhole(request)
    })
    expect(await calls.ended(id)).toMatchObject({ status: 'succeeded', attempts: 2 })
    await expect.poll(calls.limits).toEqual({ tokens: 5, requests: 1, concurrent: 0 })
    const sums = calls.gateway.jobRecords().map(({ measures }) => measures?.['tokens'] ?? 0)
    expect(sums.reduce((sum, tokens) => sum + tokens, 0)).toBe(5)
  })

  test('is charged what came of its last answer, where that broke off', async () => {
    await using calls = await open({ parts: { jobs: { attemptsMax: 1 } } })
    const id = await calls.submit(hostile['dies in an event'])
    expect(await calls.ended(id)).toMatchObject({ status: 'dead', error: { code: 'upstream_failed' } })
    const record = await calls.lastOf(id, 'job.failed')
    expect(record?.detail).toMatchObject({ usage: 'estimated' })
    expect(record?.measures?.['tokens']).toBeGreaterThan(0)
    await expect.poll(async () => (await calls.limits()).tokens).toBe(record?.measures?.['tokens'])
  })

  test('whose store failed as it was accepted keeps what it reserved, and settles it once where it was stored', async () => {
    const inner = createInProcessJobStore()
    let failing: 'behind' | 'before' = 'behind'
    const submit: typeof inner.submit = async (submission) => {
      if (failing === 'behind') await inner.submit(submission)
      throw new Fault('store_unavailable', 'the connection was lost')
    }
    await using calls = await open({ parts: { store: { ...inner, submit } } })
    expect((await calls.send(answersWhole)).status).toBe(503)
    await expect.poll(() => calls.gateway.jobRecords().at(-1)?.event).toBe('job.finished')
    await expect.poll(async () => (await calls.limits()).tokens).toBe(5)
    failing = 'before'
    expect((await calls.send(answersWhole)).status).toBe(503)
    // Whether it was stored the process cannot know.
    expect((await calls.limits()).tokens).toBeGreaterThan(600)
  })

  test('that is cancelled before it begins costs no token', async () => {
    await using calls = await open({ parts: { jobs: { concurrency: 0 } } })
    const id = await calls.submit(answersWhole)
    expect((await calls.cancel(id)).status).toBe(200)
    expect(await calls.lastOf(id, 'job.cancelled')).toMatchObject({ measures: { tokens: 0 } })
    await expect.poll(calls.limits).toEqual({ tokens: 0, requests: 1, concurrent: 0 })
  })

  test.each(['estimate', 'reserved'] as const)(
    'that is cancelled while it runs is gone upstream, and costs what `abandoned: %s` says',
    async (abandoned) => {
      await using calls = await open({ upstream: { abandoned } })
      const { behaviour, asked } = held(answersWhole)
      const id = await calls.submit(behaviour)
      await asked
      const { tokens: reserved } = await calls.limits()
      await calls.cancel(id)
      await (await calls.upstream.request()).closed
      const record = await calls.lastOf(id, 'job.cancelled')
      const tokens = record?.measures?.['tokens'] ?? 0
      expect(tokens).toBeGreaterThan(0)
      if (abandoned === 'reserved') expect(tokens).toBe(reserved)
      else expect(tokens).toBeLessThan(100)
      await expect.poll(calls.limits).toEqual({ tokens, requests: 1, concurrent: 0 })
    },
  )

  test('whose answer is larger than may be held has failed, and is charged', async () => {
    await using calls = await open({ answerMax: 1_000 })
    const id = await calls.submit(({ write }) => write(whole(200, JSON.stringify('x'.repeat(2_000)), json)))
    expect(await calls.ended(id)).toMatchObject({
      status: 'failed',
      error: { detail: expect.stringContaining('1000') },
    })
    const record = await calls.lastOf(id, 'job.failed')
    expect(record?.measures?.['tokens']).toBeGreaterThan(100)
    await expect.poll(async () => (await calls.limits()).tokens).toBe(record?.measures?.['tokens'])
  })

  test('has an answer that is no JSON as a text, and one on several lines on one', async () => {
    await using calls = await open()
    const id = await calls.submit(({ write }) =>
      write(whole(200, 'plain "text"', ['content-type: text/plain'])),
    )
    expect(await calls.ended(id)).toMatchObject({ status: 'succeeded', result: 'plain "text"' })
    const lines = await calls.submit(({ write }) =>
      write(whole(200, '{\n  "a":\r\n 1.0000000000000000001 }', json)),
    )
    await calls.ended(lines)
    const shown = await calls.gateway.post(`/jobs/${lines}`, undefined, { key: calls.key, method: 'GET' })
    expect(await shown.text()).toContain('"result":{   "a":  1.0000000000000000001 }')
  })

  test('of a slow upstream holds up none of another, and leaves half of its places to calls at once', async () => {
    const { behaviour, asked, answer: release } = held(answersWhole)
    await using slow = await startHostile(behaviour)
    await using fast = await startHostile(answersWhole)
    const upstream = { preset: 'openai', models: 'listed', health: null, connectionsMax: 4 } as const
    await using gateway = await openGateway({
      upstreams: [
        { ...upstream, name: 'slow', url: slow.url },
        { ...upstream, name: 'fast', url: fast.url },
      ],
      models: ['slow', 'fast'].map((name) => ({ name, to: [{ upstream: name, model: name }], limits: [] })),
    })
    const submit = async (model: string) => {
      const body = { model, max_tokens: 10, messages: [] }
      return (await (await gateway.post('/v1/chat/completions', body, { headers: later })).json()) as JobView
    }
    const slowJobs = [await submit('slow'), await submit('slow'), await submit('slow')]
    await asked
    const { id } = await submit('fast')
    const ended = await gateway.post(`/jobs/${id}?wait=30`, undefined, { method: 'GET' })
    expect(await ended.json()).toMatchObject({ status: 'succeeded', model: 'fast' })
    const waiting = await gateway.post(`/jobs/${slowJobs[2]?.id}`, undefined, { method: 'GET' })
    expect(await waiting.json()).toMatchObject({ status: 'queued' })
    expect(slow.requests.length).toBeLessThanOrEqual(2)
    release()
    for (const job of slowJobs) await gateway.post(`/jobs/${job.id}?wait=30`, undefined, { method: 'GET' })
    expect(slow.requests).toHaveLength(3)
  })

  test('is settled once, where its acceptance could not be recorded and its repeat finds it', async () => {
    let isOut = true
    await using calls = await open({
      ledger: (ledger) => ({
        ...ledger,
        append: (entry) =>
          isOut && entry.event === 'job.accepted'
            ? Promise.reject(new Fault('ledger_unavailable', 'the disk is full'))
            : ledger.append(entry),
      }),
    })
    const headers = { ...later, 'idempotency-key': 'order-1' }
    expect((await calls.send(answersWhole, { user: '0' }, { headers })).status).toBe(503)
    isOut = false
    const { key: other } = calls
    const accepted = await calls.send(answersWhole, { user: '0' }, { headers, key: other })
    expect(accepted.status).toBe(202)
    await calls.ended((JSON.parse(accepted.text) as JobView).id)
    await expect.poll(async () => (await calls.limits()).tokens).toBe(5)
  })

  test('is settled once the limiter is back, where it was out', async () => {
    const limiter = createInProcessLimiter()
    let isOut = false
    const settle: typeof limiter.settle = (...taken) => {
      if (isOut && taken[0].some(({ limit }) => limit.measure === 'tokens'))
        throw new Fault('limiter_unavailable', 'gone')
      return limiter.settle(...taken)
    }
    await using calls = await open({ ward: { limiter: { ...limiter, settle } } })
    isOut = true
    const id = await calls.submit(answersWhole)
    await calls.lastOf(id, 'job.finished')
    expect((await calls.limits()).tokens).toBeGreaterThan(600)
    isOut = false
    await expect.poll(async () => (await calls.limits()).tokens).toBe(5)
  })
})

describe('a job that one process has accepted', () => {
  test('runs in another that has its upstream, which settles it', async () => {
    const store = createInProcessJobStore()
    const shared = { limiter: createInProcessLimiter(), store: createMemoryKeyStore() }
    await using accepting = await open({ ward: shared, parts: { store, jobs: { concurrency: 0 } } })
    await using running = await open({
      ward: shared,
      parts: { store },
      upstream: { url: accepting.upstream.url },
    })
    const id = await accepting.submit(answersWhole)
    expect(await running.lastOf(id, 'job.finished')).toMatchObject({ measures: { tokens: 5 } })
    await expect.poll(async () => (await accepting.limits()).tokens).toBe(5)
    expect(await accepting.ended(id)).toMatchObject({ status: 'succeeded' })
  })

  test('and was killed while it ran, is run by the next, and charged once', async () => {
    const store = createInProcessJobStore()
    const shared = { limiter: createInProcessLimiter(), store: createMemoryKeyStore() }
    const { behaviour, asked } = held(answersWhole)
    let isDead = false
    const dying: typeof store = {
      ...store,
      claim: (...args) => (isDead ? Promise.reject(new Error('dead')) : store.claim(...args)),
      extend: (...args) => (isDead ? Promise.reject(new Error('dead')) : store.extend(...args)),
      settle: (...args) => (isDead ? Promise.reject(new Error('dead')) : store.settle(...args)),
    }
    await using killed = await open({ ward: shared, parts: { store: dying, jobs: { leaseMs: 1_000 } } })
    let tries = 0
    const id = await killed.submit((request) => {
      tries += 1
      return tries === 1 ? behaviour(request) : answersWhole(request)
    })
    await asked
    isDead = true
    await using next = await open({
      ward: shared,
      parts: { store },
      upstream: { url: killed.upstream.url },
    })
    await expect
      .poll(async () => (await next.gateway.jobRecords()).map(({ event }) => event))
      .toContain('job.finished')
    expect(await next.lastOf(id, 'job.finished')).toMatchObject({ measures: { tokens: 5 } })
    await expect.poll(async () => (await killed.limits()).tokens).toBe(5)
    // Its lease is another's: it changes nothing any more.
    isDead = false
  })
})
