import { afterEach, describe, expect, test } from 'vitest'
import { createFakeLedger } from '../../../test/adapters/fake-ledger.ts'
import { openTestApp, type TestApp, type TestAppOptions } from '../../../test/support/test-app.ts'
import type { Sentiment } from '../../models/sentiment/sentiment.ts'

const apps: TestApp[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map(({ app }) => app.close()))
})

async function open(options: TestAppOptions = {}): Promise<TestApp> {
  const opened = await openTestApp(options)
  apps.push(opened)
  return opened
}

const json = { 'content-type': 'application/json' }
const asKey = (key: string) => ({ 'x-api-key': key })
const predict = (headers: Record<string, string>, payload: string, url = '/predict') =>
  ({ method: 'POST', url, headers: { ...json, ...headers }, payload }) as const
const text = '{"text":"I love this great product"}'

describe('POST /predict', () => {
  test('answers a right key with the sentiment, by body or by query', async () => {
    const { app, keys } = await open()
    const answer = await app.inject(predict(asKey(keys.right), text))
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toEqual({
      text: 'I love this great product',
      sentiment: 'positive',
      confidence: 0.75,
      scores: { positive: 0.75, negative: 0.125, neutral: 0.125 },
      model: 'constant',
      model_version: 'constant-1',
    })
    const byQuery = await app.inject({
      method: 'POST',
      url: '/predict?text=great+stuff',
      headers: asKey(keys.right),
    })
    expect(byQuery.json()).toMatchObject({ text: 'great stuff', sentiment: 'positive' })
  })

  test('the record of a prediction, and of one that was refused, names the model', async () => {
    const ledger = createFakeLedger()
    const { app, keys } = await open({ ward: { ledger } })
    await app.inject(predict(asKey(keys.right), text))
    await app.inject(predict(asKey(keys.right), '{"texts":["good"]}', '/models/constant/predict/batch'))
    await app.inject(predict(asKey(keys.wrong), text))
    await app.inject({ url: '/v1/keys/self', headers: asKey(keys.right) })
    const requests = ledger.entries.filter(({ event }) => event.startsWith('request.'))
    expect(requests.map(({ route, detail }) => [route, detail])).toEqual([
      ['/predict', { model: 'constant' }],
      ['/models/constant/predict/batch', { model: 'constant' }],
      ['/predict', { model: 'constant' }],
      ['/v1/keys/self', null],
    ])
  })

  test('a wrong key, and none, are refused before the body is looked at, and the model is not called', async () => {
    let calls = 0
    const model = {
      name: 'm',
      version: '1',
      runs: 'inline' as const,
      predict: () => {
        calls += 1
        return []
      },
    }
    const { app, keys } = await open({ model })
    for (const payload of [text, '{}', '{"tex', '\xff']) {
      expect((await app.inject(predict(asKey(keys.wrong), payload))).json()).toMatchObject({
        status: 403,
        detail: 'Invalid API key',
      })
      expect((await app.inject(predict({}, payload))).json()).toMatchObject({
        status: 401,
        detail: 'Not authenticated',
      })
    }
    expect(calls).toBe(0)
  })

  test.each([
    ['{}', ['body', 'text']],
    ['{"text":5}', ['body', 'text']],
    ['{"text":null}', ['body', 'text']],
    ['{"text":""}', ['body', 'text']],
    [`{"text":"${'a'.repeat(101)}"}`, ['body', 'text']],
    ['[]', ['body']],
    ['"text"', ['body']],
    ['null', ['body']],
    ['{"tex', ['body']],
    ['{"text":"a","__proto__":{"x":1}}', ['body']],
  ])('input %s is 422 at %j', async (payload, loc) => {
    const { app, keys } = await open()
    const answer = await app.inject(predict(asKey(keys.right), payload))
    expect(answer.json()).toMatchObject({ status: 422, code: 'input_invalid', errors: [{ loc }] })
  })

  test('a text of the longest length is answered, counted in characters and not in UTF-16 units', async () => {
    const { app, keys } = await open()
    const emoji = JSON.stringify({ text: '😀'.repeat(100) })
    expect((await app.inject(predict(asKey(keys.right), emoji))).statusCode).toBe(200)
    const more = JSON.stringify({ text: '😀'.repeat(101) })
    expect((await app.inject(predict(asKey(keys.right), more))).statusCode).toBe(422)
  })

  test('a text in the body and in the query is refused', async () => {
    const { app, keys } = await open()
    const answer = await app.inject(predict(asKey(keys.right), text, '/predict?text=other'))
    expect(answer.json()).toMatchObject({ status: 422, errors: [{ loc: ['query', 'text'] }] })
  })

  test('other fields of the body are ignored', async () => {
    const { app, keys } = await open()
    expect((await app.inject(predict(asKey(keys.right), '{"text":"a","n":1}'))).statusCode).toBe(200)
  })

  test('malformed JSON is not echoed', async () => {
    const { app, keys } = await open()
    expect((await app.inject(predict(asKey(keys.right), '{"text": my secret'))).body).not.toContain('secret')
  })

  test('bytes that are not UTF-8 are 422', async () => {
    const { app, keys } = await open()
    const payload = Buffer.from([...Buffer.from('{"text":"'), 0xff, ...Buffer.from('"}')])
    const answer = await app.inject({ ...predict(asKey(keys.right), ''), payload })
    expect(answer.statusCode).toBe(422)
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'nonsense', undefined])(
    'the media type %s is 415',
    async (type) => {
      const { app, keys } = await open()
      const headers = { ...asKey(keys.right), ...(type && { 'content-type': type }) }
      const answer = await app.inject({
        method: 'POST',
        url: '/predict',
        headers,
        payload: Buffer.from(text),
      })
      expect(answer.json()).toMatchObject({ status: 415, code: 'media_type_unsupported' })
    },
  )

  test('a body over the limit is 413', async () => {
    const { app, keys } = await open({ bodyMax: 100 })
    const payload = JSON.stringify({ text: 'a'.repeat(100) })
    expect((await app.inject(predict(asKey(keys.right), payload))).json()).toMatchObject({
      status: 413,
      code: 'body_too_large',
    })
  })

  test('an admin key is refused on it', async () => {
    const { app, keys } = await open()
    expect((await app.inject(predict(asKey(keys.admin), text))).json()).toMatchObject({
      code: 'scope_missing',
    })
  })

  test('a model that hangs is 504, and one that fails 502, without a word of why', async () => {
    const hanging = {
      name: 'm',
      version: '1',
      runs: 'inline' as const,
      predict: () => new Promise<never>(() => {}),
    }
    const slow = await open({ model: hanging, modelDeadline: 10 })
    expect((await slow.app.inject(predict(asKey(slow.keys.right), text))).json()).toMatchObject({
      status: 504,
      code: 'model_timeout',
    })
    const failing = { ...hanging, predict: () => Promise.reject(new Error('weights.bin is broken')) }
    const broken = await open({ model: failing, logLevel: 'info' })
    const answer = await broken.app.inject(predict(asKey(broken.keys.right), text))
    expect(answer.json()).toMatchObject({ status: 502, code: 'model_failed' })
    expect(answer.body).not.toContain('weights.bin')
    // Where it failed, without its message, which may quote the input.
    expect(broken.lines.join('')).toContain('model m failed')
    expect(broken.lines.join('')).toContain('predict-route.test.ts')
    expect(broken.lines.join('')).not.toContain('weights.bin')
  })

  const sound = { sentiment: 'positive', confidence: 1, scores: { positive: 1, negative: 0, neutral: 0 } }

  test.each([
    ['a number that JSON does not have', { ...sound, confidence: Number.NaN }],
    ['nothing', undefined],
    ['a date', { at: new Date(0) }],
    ['a function', { ...sound, scores: () => 1 }],
  ])('a model that answers %s is 502, and nothing of it is written', async (_what, output) => {
    const model = { name: 'm', version: '1', runs: 'inline' as const, predict: () => [output] }
    const { app, keys } = await open({ model })
    expect((await app.inject(predict(asKey(keys.right), text))).json()).toMatchObject({ status: 502 })
  })

  test.each([
    ['an object', { ...sound, sentiment: 'a","admin":"' }, { ...sound, sentiment: 'a","admin":"' }],
    ['more than a sentiment', { ...sound, language: 'en' }, { ...sound, language: 'en' }],
    ['a text of its own', { text: 'rewritten' }, { text: 'rewritten' }],
    ['a model of its own', { model: 'another', model_version: '2' }, {}],
    ['a version of its own', { version: '2' }, { version: '2' }],
    ['a number', 7, { output: 7 }],
    ['a list', [1, 2], { output: [1, 2] }],
    ['null', null, { output: null }],
  ])('what a model answers stands between the text and the model: %s', async (_what, output, answered) => {
    const model = { name: 'm', version: '1', runs: 'inline' as const, predict: () => [output] }
    const { app, keys } = await open({ model })
    const answer = await app.inject(predict(asKey(keys.right), text))
    expect(answer.json()).toEqual({
      text: 'I love this great product',
      ...answered,
      model: 'm',
      model_version: '1',
    })
  })

  test('the answer is JSON whatever the text and the model are called, at once or later', async () => {
    const version = 'quote"and\\'
    const odd = 'a "quote", a \\, a line\n, \u2028, 😀, \ud800'
    const answers = { ...sound, confidence: 1e-7 } as Sentiment
    for (const predict1 of [() => [answers], async () => [answers]]) {
      const model = { name: 'm', version, runs: 'inline' as const, predict: predict1 }
      const { app, keys } = await open({ model })
      const answer = await app.inject(predict(asKey(keys.right), JSON.stringify({ text: odd })))
      expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
      expect(answer.json()).toEqual({ text: odd, ...answers, model: 'm', model_version: version })
    }
  })
})
