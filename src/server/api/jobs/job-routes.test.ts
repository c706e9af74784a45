import type { LightMyRequestResponse as Response } from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import { createFakeLedger } from '../../../../test/adapters/fake-ledger.ts'
import { createHeldModel } from '../../../../test/support/held-model.ts'
import { closeApps, later, openAskingApp as open } from '../../../../test/support/open-asking-app.ts'
import type { JobView } from '../../../jobs/view-job.ts'

afterEach(closeApps)

describe('a prediction as a job', () => {
  test('is 202 with where it is, and its result is what the same request is answered at once', async () => {
    const { ask } = await open()
    const body = { text: 'I love this' }
    const accepted = await ask('POST', '/predict', { body, headers: later })
    const { id } = accepted.json()
    expect(accepted.statusCode).toBe(202)
    expect(accepted.headers).toMatchObject({ location: `/jobs/${id}`, 'preference-applied': 'respond-async' })
    expect(accepted.json()).toMatchObject({ status: 'queued', kind: 'single', result: null })
    const ended = await ask('GET', `/jobs/${id}?wait=30`)
    const atOnce = await ask('POST', '/predict', { body })
    expect(ended.json()).toMatchObject({
      id,
      status: 'succeeded',
      progress: { done: 1, total: 1 },
      result: atOnce.json(),
      error: null,
    })
  })

  test('is made by the query’s text too, and by the model’s own route', async () => {
    const { ask } = await open()
    for (const url of ['/predict?text=hi', '/models/constant/predict?text=hi']) {
      const { id } = (await ask('POST', url, { headers: later })).json()
      expect((await ask('GET', `/jobs/${id}?wait=30`)).json()).toMatchObject({ result: { text: 'hi' } })
    }
  })

  test('preferences that are not known are ignored', async () => {
    const { ask } = await open()
    for (const prefer of ['wait=10', 'return=minimal', 'respond-async=no', '"', 'x'.repeat(1_000)]) {
      const answer = await ask('POST', '/predict', { body: { text: 'a' }, headers: { prefer } })
      expect([answer.statusCode, answer.headers['preference-applied']]).toEqual([200, undefined])
    }
  })

  test('wrong input is refused before there is a job', async () => {
    const { ask } = await open()
    for (const body of [{}, { text: '' }, { text: 'a'.repeat(101) }])
      expect((await ask('POST', '/predict', { body, headers: later })).statusCode).toBe(422)
    expect((await ask('GET', '/jobs')).json().jobs).toEqual([])
  })

  test('a full queue is 503 with Retry-After', async () => {
    const held = createHeldModel()
    const { ask } = await open({ model: held.model, parts: { models: [held.model], jobs: { jobsMax: 1 } } })
    const submit = () => ask('POST', '/predict', { body: { text: 'a' }, headers: later })
    expect((await submit()).statusCode).toBe(202)
    const full = await submit()
    expect(full.json()).toMatchObject({ status: 503, code: 'overloaded' })
    expect(full.headers['retry-after']).toBe('1')
  })
})

describe('a webhook', () => {
  test('beside an input that is answered at once is refused, and told what to send', async () => {
    const { ask } = await open()
    const webhook = 'https://example.com/hook'
    for (const [url, body] of [
      ['/predict', { text: 'a', webhook }],
      ['/predict/batch', { texts: ['a'], webhook }],
    ] as const) {
      const answer = await ask('POST', url, { body })
      expect(answer.json()).toMatchObject({ status: 422, errors: [{ loc: ['body', 'webhook'] }] })
      expect(answer.body).toContain('respond-async')
    }
  })

  test.each([
    'http://example.com/',
    'https://127.0.0.1/',
    'https://localhost/',
    'https://169.254.169.254/latest/meta-data/',
    'https://[::1]/',
    'https://10.0.0.1/',
    'https://0x7f.1/',
    'ftp://example.com/',
    'https://user:pass@example.com/',
    'nonsense',
    '',
    7,
    null,
  ])('to %s is refused, and nothing is accepted', async (webhook) => {
    const { ask } = await open()
    const answer = await ask('POST', '/predict', { body: { text: 'a', webhook }, headers: later })
    expect(answer.json()).toMatchObject({
      status: 422,
      code: 'input_invalid',
      errors: [{ loc: ['body', 'webhook'] }],
    })
    expect((await ask('GET', '/jobs')).json().jobs).toEqual([])
  })
})

describe('whose a job is', () => {
  test('to every other owner it is not there, in every verb, and told in the same words as one that never was', async () => {
    const { ask, submit, createKey } = await open()
    const { id } = await submit()
    const stranger = await createKey({ owner: 'stranger' })
    const withoutId = (answer: Response) => ({ ...answer.json(), request_id: '' })
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '?wait=55'],
      ['DELETE', ''],
      ['GET', '/events'],
    ] as const) {
      const others = await ask(method, `/jobs/${id}${path}`, { key: stranger })
      const nobodys = await ask(method, `/jobs/job_${'0'.repeat(22)}${path}`, { key: stranger })
      expect(others.json()).toMatchObject({ status: 404, code: 'job_not_found' })
      expect(withoutId(others)).toEqual(withoutId(nobodys))
      expect(others.json().detail).toMatch(/has expired with its result, .* another owner; list the jobs/)
      expect(others.headers['content-type']).toBe(nobodys.headers['content-type'])
    }
    expect((await ask('GET', '/jobs', { key: stranger })).json().jobs).toEqual([])
    expect((await ask('GET', '/webhooks/deliveries', { key: stranger })).json().deliveries).toEqual([])
    expect((await ask('GET', `/jobs/${id}?wait=30`)).json().status).toBe('succeeded')
  })

  test.each(['nonsense', 'job_', '%00', "'%20or%201=1", 'job_'.repeat(1_000)])(
    'the id %s is no job',
    async (id) => {
      const { ask } = await open()
      for (const method of ['GET', 'DELETE'] as const)
        expect((await ask(method, `/jobs/${id}`)).json().code).toBe('job_not_found')
    },
  )

  test('every key of the owner may look after it', async () => {
    const { ask, submit, createKey } = await open()
    const one = await createKey({ owner: 'acme' })
    const other = await createKey({ owner: 'acme' })
    const { id } = await submit('a', one)
    expect((await ask('GET', `/jobs/${id}?wait=30`, { key: other })).json().status).toBe('succeeded')
    expect((await ask('GET', '/jobs', { key: other })).json().jobs).toMatchObject([{ id }])
  })

  test('admin keys and keys of another scope are refused; a key for one model may ask that one, and look', async () => {
    const { ask, keys, createKey } = await open()
    const other = await createKey({ scopes: ['metrics'] })
    const wrongModel = await createKey({ scopes: ['predict:other'] })
    const right = await createKey({ scopes: ['predict:constant'] })
    for (const url of ['/predict', '/models/constant/predict'])
      for (const [key, status] of [
        [keys.admin, 403],
        [other, 403],
        [wrongModel, 403],
        [right, 202],
      ] as const)
        expect((await ask('POST', url, { key, body: { text: 'a' }, headers: later })).statusCode).toBe(status)
    const denied = await ask('POST', '/predict', { key: wrongModel, body: { text: 'a' } })
    expect(denied.json().detail).toBe('This API key lacks the scope `predict` or `predict:constant`.')
    for (const url of ['/jobs', '/webhooks/deliveries']) {
      for (const key of [keys.admin, other, wrongModel])
        expect((await ask('GET', url, { key })).json().code).toBe('scope_missing')
      expect((await ask('GET', url, { key: right })).statusCode).toBe(200)
    }
    // The holder of the secret decides which messages receivers believe.
    for (const key of [keys.admin, keys.right, right])
      expect((await ask('POST', '/webhooks/secret', { key })).json().code).toBe('scope_missing')
    expect((await ask('POST', '/models/other/predict', { body: { text: 'a' } })).json().code).toBe(
      'not_found',
    )
  })
})

describe('looking after jobs', () => {
  test('the list comes in pages, newest first, without results', async () => {
    const { ask, submit, ward } = await open()
    const ids: string[] = []
    for (let n = 0; n < 5; n += 1) {
      ids.unshift((await submit()).id)
      ward.time.now += 1
    }
    await ask('GET', `/jobs/${ids[0]}?wait=30`)
    const listed: JobView[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: { jobs: JobView[]; next_cursor: string | null } = (
        await ask('GET', `/jobs?limit=2${cursor && `&cursor=${cursor}`}`)
      ).json()
      expect(page.jobs.length).toBeLessThanOrEqual(2)
      listed.push(...page.jobs)
      cursor = page.next_cursor
    }
    expect(listed.map(({ id }) => id)).toEqual(ids)
    expect(listed.every(({ result }) => result === null)).toBe(true)
    expect((await ask('GET', '/jobs?status=dead')).json().jobs).toEqual([])
  })

  test.each([
    '?limit=0',
    '?limit=1001',
    '?limit=x',
    '?cursor=x',
    '?cursor=W10',
    '?status=gone',
    '?owner=x',
    '?x=1',
  ])('a list of %s is 422', async (query) => {
    const { ask } = await open()
    expect((await ask('GET', `/jobs${query}`)).json()).toMatchObject({ status: 422, code: 'input_invalid' })
  })

  test.each(['-1', '56', '1.5', 'x', ''])('waiting for %s s is refused, or no waiting', async (wait) => {
    const { ask, submit } = await open()
    const { id } = await submit()
    expect((await ask('GET', `/jobs/${id}?wait=${wait}`)).statusCode).toBe(wait === '' ? 200 : 422)
  })

  test('cancelling ends the work, and again, or after the end, changes nothing', async () => {
    const held = createHeldModel()
    const { ask, submit } = await open({ model: held.model })
    const { id } = await submit()
    const call = await held.call(0)
    const aborted = new Promise((resolve) => call.signal.addEventListener('abort', resolve))
    const cancelled = await ask('DELETE', `/jobs/${id}`)
    expect([cancelled.statusCode, cancelled.json().status]).toEqual([200, 'cancelled'])
    await aborted
    expect((await ask('DELETE', `/jobs/${id}`)).json()).toEqual(cancelled.json())
  })

  test('a wait ends with the job, and with the server’s closing', async () => {
    const held = createHeldModel()
    const closing = new AbortController()
    const { ask, submit } = await open({ model: held.model, closing: closing.signal })
    const first = await submit()
    const waiting = ask('GET', `/jobs/${first.id}?wait=55`)
    ;(await held.call(0)).answer()
    expect((await waiting).json()).toMatchObject({ status: 'succeeded', result: { output: 11 } })
    const second = await submit()
    await held.call(1)
    const closed = ask('GET', `/jobs/${second.id}?wait=55`)
    closing.abort()
    expect((await closed).json().status).toBe('running')
    expect((await ask('GET', `/jobs/${second.id}/events`)).statusCode).toBe(200)
  })

  test('a job keeps its place among those at once, and looking after it needs none', async () => {
    const held = createHeldModel()
    const { ask, submit, createKey } = await open({ model: held.model })
    const key = await createKey({ limits: ['1 concurrent'] })
    const { id } = await submit('a', key)
    const again = { key, body: { text: 'a' }, headers: later }
    expect((await ask('POST', '/predict', again)).json().code).toBe('concurrency_limited')
    expect((await ask('GET', `/jobs/${id}`, { key })).statusCode).toBe(200)
    expect((await ask('DELETE', `/jobs/${id}`, { key })).json().status).toBe('cancelled')
    expect((await ask('POST', '/predict', again)).statusCode).toBe(202)
  })

  test('a job counts its characters when it is accepted, and one that does not fit is refused', async () => {
    const { ask, createKey } = await open()
    const key = await createKey({ limits: ['10 characters/day'] })
    const body = { texts: ['123', '456'] }
    const answer = await ask('POST', '/predict/batch', { key, body, headers: later })
    expect([answer.statusCode, answer.headers['ratelimit']]).toEqual([202, expect.stringContaining('r=4')])
    expect((await ask('POST', '/predict/batch', { key, body, headers: later })).statusCode).toBe(429)
    expect((await ask('GET', '/jobs', { key })).json().jobs).toHaveLength(1)
  })
})

test('a job that finds the queue full spends no characters: a client that retries later would be out of them', async () => {
  const held = createHeldModel()
  const { ask, createKey } = await open({
    model: held.model,
    parts: { models: [held.model], jobs: { jobsMax: 1 } },
  })
  const key = await createKey({ limits: ['10 characters/day', '5 concurrent'] })
  const submit = () => ask('POST', '/predict', { key, body: { text: '1234' }, headers: later })
  const statuses: number[] = []
  for (let count = 0; count < 4; count += 1) statuses.push((await submit()).statusCode)
  expect(statuses).toEqual([202, 503, 503, 503])
  const { limits_left } = (await ask('GET', '/v1/keys/self', { key })).json()
  expect(limits_left).toMatchObject([{ remaining: 6 }, { remaining: 4 }])
})

describe('administrators', () => {
  test('see whose each job is and how it stands, and not what was predicted; cancel and retry it', async () => {
    const held = createHeldModel()
    const { ask, submit, keys, createKey } = await open({
      model: held.model,
      parts: { models: [held.model], jobs: { attemptsMax: 1 } },
    })
    const owned = await createKey({ owner: 'acme' })
    const { id } = await submit('a', owned)
    ;(await held.call(0)).fail(new Error('out of memory'))
    await ask('GET', `/jobs/${id}?wait=30`, { key: owned })
    const asAdmin = { key: keys.admin }
    expect((await ask('GET', `/v1/jobs/${id}`, asAdmin)).json()).toMatchObject({
      status: 'dead',
      owner: 'acme',
      error: { code: 'model_failed' },
    })
    expect((await ask('POST', `/v1/jobs/${id}/retry`, asAdmin)).json().status).toBe('queued')
    ;(await held.call(1)).answer()
    expect((await ask('GET', `/jobs/${id}?wait=30`, { key: owned })).json().result).toMatchObject({
      output: 1,
    })
    const shown = (await ask('GET', `/v1/jobs/${id}`, asAdmin)).json()
    expect(shown).toMatchObject({ status: 'succeeded', result: null })
    expect((await ask('DELETE', `/v1/jobs/${id}`, asAdmin)).json()).toEqual(shown)
    expect((await ask('GET', '/v1/jobs?owner=acme', asAdmin)).json().jobs).toMatchObject([
      { id, owner: 'acme' },
    ])
    expect((await ask('GET', '/v1/jobs?owner=other', asAdmin)).json().jobs).toEqual([])
    for (const [method, path] of [
      ['GET', ''],
      ['GET', `/${id}`],
      ['DELETE', `/${id}`],
      ['POST', `/${id}/retry`],
    ] as const)
      expect((await ask(method, `/v1/jobs${path}`, { key: owned })).json().code).toBe('scope_missing')
    expect((await ask('GET', `/v1/jobs/job_${'0'.repeat(22)}`, asAdmin)).json().code).toBe('job_not_found')
  })
})

describe('what is written down', () => {
  const secret = 'a-very-private-sentence'

  test('neither inputs nor webhook secrets nor results are in the log or the ledger', async () => {
    const ledger = createFakeLedger()
    const { ask, lines, createKey } = await open({ ward: { ledger }, logLevel: 'trace', logRequests: true })
    const batch = { texts: Array.from({ length: 40 }, () => secret) }
    const headers = { 'idempotency-key': secret }
    const { id } = (await ask('POST', '/predict/batch', { body: batch, headers })).json()
    await ask('GET', `/jobs/${id}?wait=30`)
    await ask('GET', `/jobs/${id}/events`)
    await ask('POST', '/predict', { body: { text: secret }, headers })
    const key = await createKey({ scopes: ['webhooks'] })
    const { secret: signing } = (await ask('POST', '/webhooks/secret', { key })).json()
    const written = JSON.stringify(ledger.entries) + lines.join('')
    expect(written).not.toContain(secret)
    expect(written).not.toContain(signing.slice('whsec_'.length))
    expect(ledger.entries.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['job.accepted', 'job.finished', 'webhook.secret_rotated', 'request.started']),
    )
  })
})
