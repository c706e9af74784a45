import { afterEach, describe, expect, test } from 'vitest'
import { createHeldModel } from '../../../test/support/held-model.ts'
import { closeApps, later, openAskingApp as open } from '../../../test/support/open-asking-app.ts'

afterEach(closeApps)

describe('Prefer: respond-async, wait', () => {
  test('answers with the job once it has ended, 202 all the same', async () => {
    const held = createHeldModel()
    const { ask } = await open({ model: held.model })
    const asked = ask('POST', '/predict', {
      body: { text: 'abc' },
      headers: { prefer: 'respond-async, wait=50' },
    })
    ;(await held.call(0)).answer()
    const answer = await asked
    expect(answer.statusCode).toBe(202)
    expect(answer.json()).toMatchObject({ status: 'succeeded', result: { output: 3 } })
    expect(answer.headers).toMatchObject({
      location: `/jobs/${answer.json().id}`,
      'preference-applied': 'respond-async, wait=50',
    })
  })

  test('answers with the job as it stands when its seconds are over', async () => {
    const held = createHeldModel()
    const { ask } = await open({ model: held.model })
    const headers = { prefer: 'respond-async, wait=1' }
    const answer = await ask('POST', '/predict', { body: { text: 'abc' }, headers })
    expect([answer.statusCode, answer.json().result]).toEqual([202, null])
    ;(await held.call(0)).answer()
  })

  test('ends with the server, which closes', async () => {
    const held = createHeldModel()
    const { ask } = await open({ model: held.model, closing: AbortSignal.abort() })
    const headers = { prefer: 'respond-async, wait=50' }
    const answer = await ask('POST', '/predict', { body: { text: 'abc' }, headers })
    expect([answer.statusCode, answer.json().result]).toEqual([202, null])
  })
})

test('a webhook of an owner without a secret is 422 before there is a job', async () => {
  const { ask, createKey } = await open()
  const key = await createKey({ owner: 'acme', scopes: ['predict', 'webhooks'] })
  const submit = () =>
    ask('POST', '/predict', { key, body: { text: 'a', webhook: 'https://example.com/' }, headers: later })
  expect((await submit()).json()).toMatchObject({
    status: 422,
    errors: [{ loc: ['body', 'webhook'], type: 'webhook_secret_missing' }],
  })
  expect((await ask('GET', '/jobs', { key })).json().jobs).toEqual([])
  await ask('POST', '/webhooks/secret', { key })
  expect((await submit()).statusCode).toBe(202)
})
