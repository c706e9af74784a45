import { describe, expect, test } from 'vitest'
import { createTestWard } from '../ward/test-ward.ts'
import type { Demand } from './demand.ts'
import { apiKeyHeader } from './scheme.ts'

const scheme = apiKeyHeader({ name: 'X-API-Key', autoError: false })
const head = (key?: string) => ({
  headerValues: (name: string) => (name === 'x-api-key' && key !== undefined ? [key] : []),
  queryValues: () => [],
  address: '127.0.0.1',
})

describe('what a second guard refuses, the first has not counted', () => {
  test.each<[string, 'plain' | 'admin' | undefined, Demand, Demand]>([
    ['a stranger, where the app lets strangers in', undefined, {}, { scope: 'predict' }],
    ['an admin key, where the app takes any', 'admin', { anyKey: true }, {}],
    ['a key without the scope', 'plain', {}, { scope: 'write' }],
    ['a key without any of the scopes', 'plain', {}, { anyScope: ['write', 'admin'] }],
    ['a key without the scope of a need', 'plain', {}, { needs: [{ scope: 'write' }] }],
  ])('%s', async (_, name, ofApp, ofRoute) => {
    const ward = await createTestWard<'plain' | 'admin', boolean>({
      scheme,
      keys: { plain: { limits: ['9/min'] }, admin: { scopes: ['admin'], limits: ['9/min'] } },
      limitEveryone: ['5/min'],
    })
    const key = name && ward.testKeys[name]
    // More at once than everyone may send: had one counted for good, the last ones would be 429.
    const codes = async (): Promise<readonly (string | undefined)[]> =>
      Promise.all(
        Array.from({ length: 5 }, async () => {
          const exchange = ward.guard.open({}, head(key), 'GET')
          const first = await ward.guard.admit(exchange, ofApp)
          expect(first.admitted).toBe(true)
          const second = await ward.guard.admit(exchange, ofRoute)
          return second.admitted ? undefined : second.refusal.code
        }),
      )
    const code = name === undefined ? 'key_missing' : 'scope_missing'
    for (let round = 0; round < 3; round += 1) expect(await codes()).toEqual(Array(5).fill(code))
    const last = await ward.guard.admit(ward.guard.open({}, head(ward.testKeys.plain), 'GET'), {})
    expect(last.admitted && last.usage.states.map(({ remaining }) => remaining)).toEqual([8, 4])
  })
})
