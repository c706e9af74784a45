import { afterEach, expect, test } from 'vitest'
import { closeApps, openAskingApp as open } from '../../../test/support/open-asking-app.ts'
import type { Model } from '../../models/model.ts'

afterEach(closeApps)

const model = (name: string, input: 'text' | 'json' = 'text'): Model<never> => ({
  name,
  version: `${name}-7`,
  runs: 'inline',
  input,
  predict: (inputs: readonly unknown[]) => inputs.map(() => 1),
})
const first = {
  name: 'tone',
  version: 'tone-7',
  input: 'text',
  path: '/models/tone/predict',
  is_default: true,
}
const second = {
  ...{ name: 'a:b', version: 'a:b-7', input: 'json' },
  ...{ path: '/models/a:b/predict', is_default: false },
}

test('GET /models lists the models that the key may ask, each with the path that asks it', async () => {
  const { ask, createKey } = await open({ parts: { models: [model('tone'), model('a:b', 'json')] } })
  const list = async (key?: string) => {
    const answer = await ask('GET', '/models', key === undefined ? {} : { key })
    return answer.statusCode === 200 ? answer.json() : answer.json().code
  }
  expect(await list()).toEqual({ models: [first, second] })
  expect(await list(await createKey({ scopes: ['predict:a:b'] }))).toEqual({ models: [second] })
  expect(await list(await createKey({ scopes: ['predict:other'] }))).toBe('scope_missing')
  for (const { path } of [first, second])
    expect((await ask('POST', path, { body: { text: 'a', input: 1 } })).statusCode).toBe(200)
})

test('GET /models is for no one without a key, not for administrators, and takes no limit', async () => {
  const { ask, app, keys, createKey } = await open()
  expect((await app.inject('/models')).statusCode).toBe(401)
  expect((await ask('GET', '/models', { key: keys.admin })).json()).toMatchObject({ code: 'scope_missing' })
  const key = await createKey({ limits: ['1/calendar month'] })
  for (let calls = 0; calls < 3; calls += 1)
    expect((await ask('GET', '/models', { key })).statusCode).toBe(200)
})
