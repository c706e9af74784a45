import { afterEach, expect, test } from 'vitest'
import { openTestApp, type TestApp } from '../../../test/support/test-app.ts'
import { readForwardAuth } from '../../config/forward-auth/forward-auth.ts'

const apps: TestApp[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map(({ app }) => app.close()))
})

test('a request on a route has that route’s demand to fulfil, any other the rule’s', async () => {
  const models = { scope: 'predict', routes: [{ route: 'POST /v1/chat', scope: 'predict:chat' }] }
  const opened = await openTestApp({ forwardAuth: readForwardAuth({ models }) })
  apps.push(opened)
  const ask = (uri: string) =>
    opened.app.inject({
      url: '/v1/forward-auth/models',
      headers: { 'x-api-key': opened.keys.right, 'x-forwarded-method': 'POST', 'x-forwarded-uri': uri },
    })
  expect((await ask('/v1/chat?x=1')).json()).toMatchObject({ code: 'scope_missing' })
  expect((await ask('/v1/other')).statusCode).toBe(200)
})
