import { afterEach, describe, expect, test } from 'vitest'
import { openTestApp, type TestApp } from '../../../../test/support/test-app.ts'

const apps: TestApp[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map(({ app }) => app.close()))
})

/** The app, and calls of it by the administrator. */
async function open() {
  const opened = await openTestApp()
  apps.push(opened)
  const headers = { 'x-api-key': opened.keys.admin }
  const get = (url: string) => opened.app.inject({ url, headers })
  const put = (owner: string, payload: object) =>
    opened.app.inject({ method: 'PUT', url: `/v1/owners/${encodeURIComponent(owner)}`, headers, payload })
  return { ...opened, get, put }
}

describe('the admin API over owners', () => {
  test('is for admin keys only', async () => {
    const { app, keys, put } = await open()
    const headers = { 'x-api-key': keys.right }
    await put('acme', { limits: ['10/min'] })
    for (const method of ['GET', 'PUT'] as const) {
      const url = '/v1/owners/acme'
      const payload = { limits: [] }
      const request = method === 'GET' ? { method, url, headers } : { method, url, headers, payload }
      expect((await app.inject(request)).json()).toMatchObject({ status: 403, code: 'scope_missing' })
    }
    expect((await app.inject({ url: '/v1/owners', headers })).statusCode).toBe(403)
  })

  test('sets limits and shows them in their shortest form; setting is one and the same the first time and later', async () => {
    const { get, put, ward } = await open()
    const first = await put('acme', { limits: ['1000/day', '5 concurrent'] })
    expect([first.statusCode, first.json()]).toEqual([
      200,
      {
        owner: 'acme',
        limits: ['1000/day', '5 concurrent'],
        created_at: new Date(ward.time.now).toISOString(),
        updated_at: new Date(ward.time.now).toISOString(),
      },
    ])
    expect((await get('/v1/owners/acme')).json()).toEqual(first.json())
    ward.time.now += 1_000
    const second = await put('acme', { limits: [] })
    expect(second.json()).toMatchObject({ limits: [], created_at: first.json().created_at })
    expect(second.json().updated_at).not.toBe(first.json().updated_at)
  })

  test('of whom nothing is kept are not found, though they may have keys', async () => {
    const { get, ward } = await open()
    await ward.keys.create({ name: 'a', owner: 'globex' })
    expect((await get('/v1/owners/globex')).json()).toMatchObject({ status: 404, code: 'not_found' })
  })

  test.each(['a/b?c=d#e', 'équipe 1', '..%2f', '\u{1f511}'.repeat(64), 'x'.repeat(128)])(
    'takes the owner %j, which a key may have',
    async (owner) => {
      const { get, put, ward } = await open()
      await ward.keys.create({ name: 'a', owner })
      expect((await put(owner, { limits: ['10/min'] })).json()).toMatchObject({ owner })
      expect((await get(`/v1/owners/${encodeURIComponent(owner)}`)).json()).toMatchObject({ owner })
    },
  )

  test.each([
    ['acme', {}, ['body', 'limits']],
    ['acme', { limits: null }, ['body', 'limits']],
    ['acme', { limits: '10/min' }, ['body', 'limits']],
    ['acme', { limits: [10] }, ['body', 'limits', 0]],
    ['acme', { limits: ['10/min', '20/minute'] }, ['body', 'limits', 1]],
    ['acme', { limits: ['0/min'] }, ['body', 'limits', 0]],
    ['acme', { limits: [], name: 'a' }, ['body', 'name']],
    ['x'.repeat(129), { limits: [] }, ['path', 'owner']],
    ['a\u0000b', { limits: [] }, ['path', 'owner']],
  ])('refuses to give %j %j, at %j', async (owner, body, loc) => {
    const { get, put } = await open()
    const answer = await put(owner, body)
    expect(answer.json()).toMatchObject({ status: 422, code: 'input_invalid' })
    expect(answer.json().errors).toContainEqual(expect.objectContaining({ loc }))
    expect((await get('/v1/owners')).json()).toEqual({ owners: [], next_cursor: null })
  })

  test('lists owners page by page, each once, in order', async () => {
    const { get, put } = await open()
    for (const owner of ['c', 'a', 'é', 'b']) await put(owner, { limits: ['10/min'] })
    const owners: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page: { owners: { owner: string }[]; next_cursor: string | null } = (
        await get(`/v1/owners?limit=2${cursor && `&cursor=${cursor}`}`)
      ).json()
      owners.push(...page.owners.map(({ owner }) => owner))
      cursor = page.next_cursor
    }
    expect(owners).toEqual(['a', 'b', 'c', 'é'])
  })

  test.each([
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['cursor=nonsense', 'cursor'],
    ['color=red', 'color'],
  ])('refuses ?%s at %s', async (query, field) => {
    const { get } = await open()
    expect((await get(`/v1/owners?${query}`)).json()).toMatchObject({
      status: 422,
      errors: [{ loc: ['query', field] }],
    })
  })

  test('may be used from a page of an allowed origin', async () => {
    const opened = await openTestApp({ corsOrigins: ['https://app.example.com'] })
    apps.push(opened)
    const preflight = await opened.app.inject({
      method: 'OPTIONS',
      url: '/v1/owners/acme',
      headers: { origin: 'https://app.example.com', 'access-control-request-method': 'PUT' },
    })
    expect(preflight.headers['access-control-allow-methods']).toContain('PUT')
  })
})
