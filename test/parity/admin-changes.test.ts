import { hash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKey, expectProblem, get, json, keyHeader, predict } from './ask.ts'
import type { ParityTarget } from './parity-target.ts'
import { exchange, formatRequest, type RawAnswer } from './raw-http.ts'
import { startServerTarget } from './start-server-target.ts'

interface Issued {
  readonly id: string
  readonly key: string
}

let target: ParityTarget
let admin: string
beforeAll(async () => {
  target = await startServerTarget()
  admin = await createKey(target, { scopes: ['admin'] })
})
afterAll(() => target.close())

const ask = (key: string): Promise<RawAnswer> => predict(target, { headers: [keyHeader(key)] })

async function change(path: string, body: object = {}, method = 'POST'): Promise<unknown> {
  const headers = [keyHeader(admin), json]
  const answer = await exchange(
    target.port,
    formatRequest({ method, path, headers, body: JSON.stringify(body) }),
  )
  expect([200, 201]).toContain(answer.status)
  return JSON.parse(answer.body)
}

/** A key made by the admin API, used once, so that the server has it in memory. */
async function keyInUse(): Promise<Issued> {
  const issued = (await change('/v1/keys', { name: 'k' })) as Issued
  expect((await ask(issued.key)).status).toBe(200)
  return issued
}

describe('39 what the admin API has answered holds for the very next request', () => {
  test('revoked: 403', async () => {
    const { id, key } = await keyInUse()
    await change(`/v1/keys/${id}/revoke`, { reason: 'leaked' })
    expectProblem(await ask(key), 403, 'key_revoked')
  })

  test('disabled: 403; enabled: 200', async () => {
    const { id, key } = await keyInUse()
    await change(`/v1/keys/${id}/disable`)
    expectProblem(await ask(key), 403, 'key_disabled')
    await change(`/v1/keys/${id}/enable`)
    expect((await ask(key)).status).toBe(200)
  })

  test('rotated without an overlap: the old secret 403, the new one 200; with one, both 200', async () => {
    const { id, key } = await keyInUse()
    const { key: second } = (await change(`/v1/keys/${id}/rotate`)) as Issued
    expectProblem(await ask(key), 403, 'key_expired')
    expect((await ask(second)).status).toBe(200)
    const { key: third } = (await change(`/v1/keys/${id}/rotate`, { overlap: '1h' })) as Issued
    expect((await ask(second)).status).toBe(200)
    expect((await ask(third)).status).toBe(200)
  })

  test('given other scopes, addresses or an end: 403', async () => {
    const { id, key } = await keyInUse()
    await change(`/v1/keys/${id}`, { scopes: ['other'] }, 'PATCH')
    expectProblem(await ask(key), 403, 'scope_missing')
    await change(`/v1/keys/${id}`, { scopes: ['predict'], addresses: ['10.0.0.0/8'] }, 'PATCH')
    expectProblem(await ask(key), 403, 'address_denied')
    await change(
      `/v1/keys/${id}`,
      { addresses: [], expires_at: new Date(target.time.now).toISOString() },
      'PATCH',
    )
    expectProblem(await ask(key), 403, 'key_expired')
  })

  test('imported by its hash, the first of all: 200, never 403', async () => {
    const key = 'sk-of-another-system-Zq81mV4rT0pW7nL2'
    expectProblem(await ask(key), 403, 'key_invalid')
    await change('/v1/keys/import', [{ name: 'old', sha256: hash('sha256', key) }])
    expect((await ask(key)).status).toBe(200)
  })

  test('a session ends with its key', async () => {
    const { id, key } = await keyInUse()
    const body = JSON.stringify({ key })
    const { headers } = await exchange(
      target.port,
      formatRequest({ path: '/session', headers: [json], body }),
    )
    const cookie = ['Cookie', headers.get('set-cookie')?.[0]?.split(';')[0] ?? ''] as const
    expect((await get(target, '/docs', [cookie])).status).toBe(200)
    await change(`/v1/keys/${id}/revoke`)
    expectProblem(await get(target, '/docs', [cookie]), 403, 'key_revoked')
  })
})

test('40 a predict key on the admin API, and an admin key on the model: 403 scope_missing', async () => {
  const { key } = await keyInUse()
  expectProblem(await get(target, '/v1/keys', [keyHeader(key)]), 403, 'scope_missing')
  expectProblem(await ask(admin), 403, 'scope_missing')
})
