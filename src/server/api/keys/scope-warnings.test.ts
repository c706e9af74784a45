import { afterEach, expect, test } from 'vitest'
import { openTestApp, type TestApp } from '../../../../test/support/test-app.ts'
import { readForwardAuth } from '../../../config/forward-auth/forward-auth.ts'

const apps: TestApp[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map(({ app }) => app.close()))
})

test('a key gets a scope that no route and no rule asks for, and a warning with the one that was meant', async () => {
  const routes = [{ route: 'POST /long', scope: ['long-audio', 'predict'] }]
  const forwardAuth = readForwardAuth({ audio: { scope: 'transcribe', routes } })
  const opened = await openTestApp({ forwardAuth })
  apps.push(opened)
  const ask = async (method: 'POST' | 'PATCH', url: string, scopes: readonly string[]) => {
    const payload = method === 'POST' ? { name: 'a', scopes } : { scopes }
    const headers = { 'x-api-key': opened.keys.admin }
    const { statusCode, ...answer } = await opened.app.inject({ method, url, headers, payload })
    return { statusCode, ...answer.json() }
  }
  const asked = ['transcribe', 'long-audio', 'predict', 'predict:constant', 'keys:verify']
  const { id, ...plain } = await ask('POST', '/v1/keys', asked)
  expect([plain.statusCode, plain.warnings]).toEqual([201, undefined])
  const warned = await ask('POST', '/v1/keys', ['predcit', 'transcribe'])
  expect([warned.statusCode, warned.scopes]).toEqual([201, ['predcit', 'transcribe']])
  expect(warned.warnings).toEqual([{ code: 'scope_unknown', scope: 'predcit', did_you_mean: 'predict' }])
  const changed = await ask('PATCH', `/v1/keys/${id}`, ['long-audoi', 'quite-another-thing'])
  expect(changed.warnings).toEqual([
    { code: 'scope_unknown', scope: 'long-audoi', did_you_mean: 'long-audio' },
    { code: 'scope_unknown', scope: 'quite-another-thing', did_you_mean: null },
  ])
})
