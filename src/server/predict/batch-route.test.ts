import { afterEach, describe, expect, test } from 'vitest'
import { createHeldModel } from '../../../test/support/held-model.ts'
import { closeApps, later, openAskingApp as open } from '../../../test/support/open-asking-app.ts'
import type { Model } from '../../models/model.ts'

afterEach(closeApps)

const many = (count: number, text = 'good'): readonly string[] => Array.from({ length: count }, () => text)

describe('POST /predict/batch', () => {
  test('up to 32 texts are answered at once, in their order, each as by itself', async () => {
    const { ask } = await open()
    const texts = ['one', ...many(30), 'last']
    const answer = await ask('POST', '/predict/batch', { body: { texts } })
    expect(answer.statusCode).toBe(200)
    const { results } = answer.json()
    expect(results.map(({ text }: { text: string }) => text)).toEqual(texts)
    expect(results[0]).toEqual((await ask('POST', '/predict', { body: { text: 'one' } })).json())
  })

  test('more, or a preference, make a job of it with progress', async () => {
    const { ask } = await open()
    for (const [texts, headers] of [
      [many(33), {}],
      [many(2), later],
    ] as const) {
      const accepted = await ask('POST', '/predict/batch', { body: { texts }, headers })
      expect(accepted.statusCode).toBe(202)
      expect(accepted.headers['preference-applied']).toBe(headers === later ? 'respond-async' : undefined)
      expect(accepted.json()).toMatchObject({ kind: 'batch', progress: { done: 0, total: texts.length } })
      const ended = (await ask('GET', `${accepted.headers.location}?wait=30`)).json()
      expect(ended).toMatchObject({ status: 'succeeded', progress: { done: texts.length } })
      expect(ended.result).toHaveLength(texts.length)
      expect(ended.result[0]).toMatchObject({ text: 'good', sentiment: 'positive' })
    }
  })

  test('10,000 texts are taken, one more is 422', async () => {
    const { ask } = await open()
    const submit = (count: number) => ask('POST', '/predict/batch', { body: { texts: many(count, 'a') } })
    expect((await submit(10_001)).json()).toMatchObject({
      status: 422,
      errors: [{ loc: ['body', 'texts'], type: 'too_long' }],
    })
    const { id } = (await submit(10_000)).json()
    expect((await ask('GET', `/jobs/${id}?wait=55`)).json().result).toHaveLength(10_000)
  })

  test.each([
    [{}, ['body', 'texts']],
    [{ texts: [] }, ['body', 'texts']],
    [{ texts: 'a' }, ['body', 'texts']],
    [{ texts: { length: 1 } }, ['body', 'texts']],
    [{ texts: ['a', 7] }, ['body', 'texts', 1]],
    [{ texts: ['a', ''] }, ['body', 'texts', 1]],
    [{ texts: ['a', 'b'.repeat(101)] }, ['body', 'texts', 1]],
    [{ inputs: ['a'] }, ['body', 'texts']],
    [['a'], ['body']],
  ])('%j is 422 at %j, as a job and at once', async (body, loc) => {
    const { ask } = await open()
    for (const headers of [{}, later])
      expect((await ask('POST', '/predict/batch', { body, headers })).json()).toMatchObject({
        status: 422,
        code: 'input_invalid',
        errors: [{ loc }],
      })
  })

  test('of many faults the first twenty are told', async () => {
    const { ask } = await open()
    const answer = await ask('POST', '/predict/batch', { body: { texts: many(500, '') } })
    expect(answer.json().errors).toHaveLength(20)
  })

  test('its body may be larger than that of one text, up to a limit of its own', async () => {
    const { ask } = await open({ bodyMax: 100, batchBodyMax: 1_000 })
    const texts = many(10, 'a'.repeat(50))
    expect((await ask('POST', '/predict/batch', { body: { texts } })).statusCode).toBe(200)
    const larger = await ask('POST', '/predict/batch', { body: { texts: [...texts, ...texts] } })
    expect(larger.json()).toMatchObject({ status: 413, code: 'body_too_large' })
    expect((await ask('POST', '/predict', { body: { text: 'a'.repeat(100) } })).statusCode).toBe(413)
  })

  test('one input that the model refuses fails the batch at once, and the job for good', async () => {
    const { Refusal } = await import('../../core/refusal.ts')
    const model: Model<string> = {
      name: 'picky',
      version: '1',
      runs: 'inline',
      predict() {
        throw new Refusal('input_invalid', 'Only numbers.')
      },
    }
    const { ask } = await open({ model })
    const body = { texts: ['a'] }
    expect((await ask('POST', '/predict/batch', { body })).json()).toMatchObject({ status: 422 })
    const { id } = (await ask('POST', '/predict/batch', { body, headers: later })).json()
    expect((await ask('GET', `/jobs/${id}?wait=30`)).json()).toMatchObject({
      status: 'failed',
      attempts: 1,
      error: { code: 'input_invalid', detail: 'Only numbers.' },
    })
  })
})

describe('several models', () => {
  const counting: Model<never> = {
    name: 'items:count.v1',
    version: 'count-1',
    runs: 'inline',
    input: 'json',
    predict: (inputs: readonly unknown[]) =>
      inputs.map((input) => ({ items: Object.keys(Object(input)).length })),
  }

  test('are each asked by name, the first where none is named; one that takes JSON by `input` and `inputs`', async () => {
    const held = createHeldModel()
    const { ask, app } = await open({ parts: { models: [counting, held.model] } })
    const url = '/models/items:count.v1/predict'
    for (const path of ['/predict', url]) {
      const answer = await ask('POST', path, { body: { input: [1, 2], text: 'a' } })
      expect(answer.json()).toEqual({ items: 2, model: 'items:count.v1', model_version: 'count-1' })
    }
    const batch = await ask('POST', `${url}/batch`, { body: { inputs: [{}, { a: 1 }, null] } })
    expect(batch.json()).toEqual({
      results: [0, 1, 0].map((items) => ({ items, model: 'items:count.v1', model_version: 'count-1' })),
    })
    const other = ask('POST', '/models/held/predict', { body: { text: 'abc' } })
    ;(await held.call(0)).answer()
    expect((await other).json()).toEqual({ text: 'abc', output: 3, model: 'held', model_version: 'held-1' })
    await app.ready()
    const { paths = {} } = app.swagger()
    const ids = Object.values(paths).flatMap((path) =>
      Object.values(path as Readonly<Record<string, { readonly operationId?: string }>>).map(
        ({ operationId }) => operationId,
      ),
    )
    expect(new Set(ids).size).toBe(ids.length)
    expect(Object.keys(paths)).toEqual(expect.arrayContaining([url, '/models/held/predict/batch']))
  })

  test.each([{}, { text: 'a' }, [], 'a', null])('%j is no input of one that takes JSON', async (body) => {
    const { ask } = await open({ model: counting })
    const headers = { 'content-type': 'application/json' }
    const answer = await ask('POST', '/predict', { body: JSON.stringify(body), headers })
    expect(answer.json()).toMatchObject({ status: 422, code: 'input_invalid' })
  })

  test('JSON that is nested beyond measure is 422, and nothing breaks', async () => {
    const { ask } = await open({ model: counting })
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'a' }
    for (const [url, body] of [
      ['/predict', `{"input":${deep}}`],
      ['/predict/batch', `{"inputs":[${deep}]}`],
      ['/predict', `{"input":1,"other":${deep}}`],
    ] as const) {
      const answer = await ask('POST', url, { body, headers })
      expect(answer.statusCode).toBe(422)
    }
  })
})
