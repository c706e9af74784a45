import { afterEach, describe, expect, test } from 'vitest'
import { createHeldModel } from '../../../test/support/held-model.ts'
import { closeApps, later, openAskingApp as open } from '../../../test/support/open-asking-app.ts'

afterEach(closeApps)

const once = { 'idempotency-key': 'order-1' }

/** A model that counts how often it is asked. */
function createCounter() {
  const counter = { calls: 0 }
  const predict = (texts: readonly string[]) => {
    counter.calls += 1
    return texts.map(() => counter.calls)
  }
  return { counter, model: { name: 'counter', version: '1', runs: 'inline' as const, predict } }
}

const predictions = [
  ['a prediction', '/predict', { text: 'a' }, {}],
  ['a batch', '/predict/batch', { texts: ['a', 'b'] }, {}],
  ['a job', '/predict', { text: 'a' }, later],
  ['a job of a batch', '/predict/batch', { texts: ['a', 'b'] }, later],
] as const

describe.each(predictions)('%s under an Idempotency-Key', (_what, url, body, headers) => {
  test('is carried out once, and answered again with the same', async () => {
    const { counter, model } = createCounter()
    const { ask } = await open({ model })
    const first = await ask('POST', url, { body, headers: { ...headers, ...once } })
    if (first.statusCode === 202) await ask('GET', `${first.headers.location}?wait=30`)
    const again = await ask('POST', url, { body, headers: { ...headers, 'idempotency-key': '"order-1"' } })
    expect([again.statusCode, again.body]).toEqual([first.statusCode, first.body])
    for (const name of ['content-type', 'location', 'preference-applied'])
      expect(again.headers[name]).toBe(first.headers[name])
    expect(first.headers['idempotency-replayed']).toBeUndefined()
    expect(again.headers['idempotency-replayed']).toBe('true')
    expect(again.headers['x-request-id']).not.toBe(first.headers['x-request-id'])
    expect(counter.calls).toBe(1)
  })

  test('is refused with another input, and by itself under another owner’s same key', async () => {
    const { ask, createKey } = await open()
    await ask('POST', url, { body, headers: { ...headers, ...once } })
    const other = JSON.parse(JSON.stringify(body).replace('"a"', '"c"'))
    const refused = await ask('POST', url, { body: other, headers: { ...headers, ...once } })
    expect(refused.json()).toMatchObject({ status: 422, code: 'idempotency_mismatch' })
    const key = await createKey({ owner: 'other' })
    const own = await ask('POST', url, { key, body: other, headers: { ...headers, ...once } })
    expect([own.statusCode < 300, own.headers['idempotency-replayed']]).toEqual([true, undefined])
  })

  test('takes its characters once', async () => {
    const { ask, createKey } = await open()
    const key = await createKey({ limits: ['3 characters/day'] })
    for (let time = 0; time < 3; time += 1)
      expect(
        (await ask('POST', url, { key, body, headers: { ...headers, ...once } })).statusCode,
      ).toBeLessThan(300)
  })
})

describe('an Idempotency-Key', () => {
  test('of a request under way is 409 with Retry-After', async () => {
    const held = createHeldModel()
    const { ask } = await open({ model: held.model })
    const first = ask('POST', '/predict', { body: { text: 'a' }, headers: once })
    const call = await held.call(0)
    const second = await ask('POST', '/predict', { body: { text: 'a' }, headers: once })
    expect(second.json()).toMatchObject({ status: 409, code: 'idempotency_in_flight' })
    expect(second.headers['retry-after']).toBe('1')
    call.answer()
    expect((await first).statusCode).toBe(200)
    expect((await ask('POST', '/predict', { body: { text: 'a' }, headers: once })).json()).toEqual(
      (await first).json(),
    )
  })

  test('of what was refused or has failed is free again', async () => {
    const held = createHeldModel()
    const { ask, createKey } = await open({ model: held.model })
    const failing = ask('POST', '/predict', { body: { text: 'a' }, headers: once })
    ;(await held.call(0)).fail(new Error('broken'))
    expect((await failing).statusCode).toBe(502)
    const again = ask('POST', '/predict', { body: { text: 'b' }, headers: once })
    ;(await held.call(1)).answer()
    expect((await again).statusCode).toBe(200)
    const key = await createKey({ limits: ['2 characters/day'] })
    const refused = await ask('POST', '/predict', { key, body: { text: 'abc' }, headers: once })
    expect(refused.statusCode).toBe(422)
    const shorter = ask('POST', '/predict', { key, body: { text: 'ab' }, headers: once })
    ;(await held.call(2)).answer()
    expect((await shorter).statusCode).toBe(200)
  })

  test('of a prediction is not one of a batch or of another model', async () => {
    const { ask, createKey } = await open({
      parts: {
        models: ['a', 'b'].map((name) => ({
          name,
          version: '1',
          runs: 'inline' as const,
          predict: (texts: readonly never[]) => texts.map(() => 1),
        })),
      },
    })
    const key = await createKey({ scopes: ['predict', 'webhooks'] })
    await ask('POST', '/predict', { key, body: { text: 'x' }, headers: once })
    for (const [url, body, headers] of [
      ['/predict/batch', { texts: ['x'] }, once],
      ['/models/b/predict', { text: 'x' }, once],
      ['/webhooks/secret', undefined, once],
    ] as const)
      expect((await ask('POST', url, { key, body, headers })).json().code).toBe('idempotency_mismatch')
    const same = await ask('POST', '/models/a/predict?text=x', { key, headers: once })
    expect(same.headers['idempotency-replayed']).toBe('true')
  })

  test.each([
    ['/predict', { text: 'a' }],
    ['/predict/batch', { texts: ['a', 'b'] }],
  ] as const)(
    'of %s repeats the first answer, however the retry prefers to be answered',
    async (url, body) => {
      for (const [first, second, status] of [
        [{}, later, 200],
        [later, {}, 202],
      ] as const) {
        const { counter, model } = createCounter()
        const { ask } = await open({ model })
        const answer = await ask('POST', url, { body, headers: { ...once, ...first } })
        if (status === 202) await ask('GET', `${answer.headers.location}?wait=30`)
        const again = await ask('POST', url, { body, headers: { ...once, ...second } })
        expect([again.statusCode, again.body]).toEqual([status, answer.body])
        expect(again.headers['idempotency-replayed']).toBe('true')
        expect(counter.calls).toBe(1)
      }
    },
  )

  test.each(['', '"', '"a', 'a b', 'é', 'a'.repeat(256)])('%j is 422', async (key) => {
    const { ask } = await open()
    for (const headers of [{ 'idempotency-key': key }, { 'idempotency-key': key, ...later }])
      expect((await ask('POST', '/predict', { body: { text: 'a' }, headers })).json()).toMatchObject({
        status: 422,
        errors: [{ loc: ['header', 'Idempotency-Key'] }],
      })
  })

  test('has a webhook secret made once, so that a retry does not end the one that receivers know', async () => {
    const { ask, createKey } = await open()
    const key = await createKey({ scopes: ['webhooks'] })
    const make = (headers = {}) => ask('POST', '/webhooks/secret', { key, headers })
    const first = await make(once)
    expect(first.json().secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect((await make(once)).json()).toEqual(first.json())
    expect((await make()).json()).not.toEqual(first.json())
  })
})

test.each(['-1s', 'soon', '31d', 7])('an overlap of %s is 422', async (overlap) => {
  const { ask, createKey } = await open()
  const key = await createKey({ scopes: ['webhooks'] })
  const answer = await ask('POST', '/webhooks/secret', { key, body: { overlap } })
  expect(answer.json()).toMatchObject({ status: 422, errors: [{ loc: ['body', 'overlap'] }] })
})
