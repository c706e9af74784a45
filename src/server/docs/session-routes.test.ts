import { afterEach, describe, expect, test } from 'vitest'
import { openTestApp, type TestApp, type TestAppOptions } from '../../../test/support/test-app.ts'
import { localPath } from './session-routes.ts'

const apps: TestApp[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map(({ app }) => app.close()))
})

async function open(options: TestAppOptions = {}): Promise<TestApp> {
  const opened = await openTestApp(options)
  apps.push(opened)
  return opened
}

const form = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
  ({
    method: 'POST',
    url: '/session',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    payload: new URLSearchParams(fields).toString(),
  }) as const

async function signedIn({ app }: TestApp, key: string): Promise<string> {
  const { headers } = await app.inject({ method: 'POST', url: '/session', payload: { key } })
  return String(headers['set-cookie']).split(';')[0] ?? ''
}

describe('signing in', () => {
  test('a right key gets a cookie that scripts and other sites cannot use, and that does not hold the key', async () => {
    const { app, keys } = await open()
    const answer = await app.inject({ method: 'POST', url: '/session', payload: { key: keys.right } })
    const cookie = String(answer.headers['set-cookie'])
    expect(answer.statusCode).toBe(204)
    expect(cookie).toMatch(/; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/)
    expect(cookie).not.toContain(keys.right.slice(21))
  })

  test('the cookie is Secure when the browser came by HTTPS through a proxy that is trusted, and only then', async () => {
    const headers = { 'x-forwarded-proto': 'https' }
    const trusting = await open({ trustProxy: ['127.0.0.0/8'] })
    const secure = await trusting.app.inject({
      method: 'POST',
      url: '/session',
      headers,
      payload: { key: trusting.keys.right },
    })
    expect(String(secure.headers['set-cookie'])).toContain('; Secure')
    const plain = await open()
    const open_ = await plain.app.inject({
      method: 'POST',
      url: '/session',
      headers,
      payload: { key: plain.keys.right },
    })
    expect(String(open_.headers['set-cookie'])).not.toContain('Secure')
  })

  test('by the form, the browser is sent back to where it was', async () => {
    const { app, keys } = await open()
    const answer = await app.inject(form({ key: keys.right, next: '/docs' }))
    expect([answer.statusCode, answer.headers.location]).toEqual([303, '/docs'])
  })

  test('a wrong key gets no cookie: a problem, or the form again with the reason', async () => {
    const { app, keys } = await open()
    const problem = await app.inject({ method: 'POST', url: '/session', payload: { key: keys.wrong } })
    expect(problem.json()).toMatchObject({ status: 403, code: 'key_invalid' })
    const page = await app.inject(form({ key: keys.wrong, next: '/docs' }))
    expect(page.statusCode).toBe(403)
    expect(page.body).toContain('Invalid API key')
    expect(page.body).not.toContain(keys.wrong)
    expect([problem.headers['set-cookie'], page.headers['set-cookie']]).toEqual([undefined, undefined])
  })

  test('without a key it is 422', async () => {
    const { app } = await open()
    for (const payload of [{}, { key: 5 }, []]) {
      const answer = await app.inject({ method: 'POST', url: '/session', payload })
      expect(answer.json()).toMatchObject({ status: 422, errors: [{ loc: ['body', 'key'] }] })
    }
  })

  test.each([
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'same-site' }, 403],
    [{ origin: 'https://evil.example', host: 'api.example' }, 403],
    [{ origin: 'null', host: 'api.example' }, 403],
    [{ 'sec-fetch-site': 'same-origin' }, 303],
    [{ origin: 'https://api.example', host: 'api.example' }, 303],
    [{}, 303],
  ])('from %j it is %i', async (headers, status) => {
    const { app, keys } = await open()
    expect((await app.inject(form({ key: keys.right }, headers as Record<string, string>))).statusCode).toBe(
      status,
    )
    const out = await app.inject({
      method: 'DELETE',
      url: '/session',
      headers: headers as Record<string, string>,
    })
    expect(out.statusCode).toBe(status === 303 ? 204 : 403)
  })

  test('signing out takes the cookie away', async () => {
    const { app } = await open()
    const { headers } = await app.inject({ method: 'DELETE', url: '/session' })
    expect(headers['set-cookie']).toMatch(/^modelward_session=; Path=\/; Max-Age=0;/)
  })
})

describe('what a session opens', () => {
  test('pages and what its key may read of itself, and never the model', async () => {
    const opened = await open()
    const cookie = await signedIn(opened, opened.keys.right)
    for (const url of ['/docs', '/docs/', '/openapi.json', '/docs/swagger-ui.css', '/v1/keys/self'])
      expect((await opened.app.inject({ url, headers: { cookie } })).statusCode).toBe(200)
    const predict = { method: 'POST', url: '/predict', headers: { cookie }, payload: { text: 'a' } } as const
    expect((await opened.app.inject(predict)).statusCode).toBe(401)
  })

  test('the admin API only with the CSRF header, and only for an admin key', async () => {
    const opened = await open()
    const cookie = await signedIn(opened, opened.keys.admin)
    const create = (headers: Record<string, string>) =>
      opened.app.inject({ method: 'POST', url: '/v1/keys', headers, payload: { name: 'new' } })
    expect((await create({ cookie })).json()).toMatchObject({ status: 403, code: 'forbidden' })
    expect((await create({ cookie, 'x-modelward-csrf': '1' })).statusCode).toBe(201)
    const other = await signedIn(opened, opened.keys.right)
    expect((await create({ cookie: other, 'x-modelward-csrf': '1' })).json()).toMatchObject({
      code: 'scope_missing',
    })
  })

  test('nothing any more once the key is revoked', async () => {
    const opened = await open()
    const cookie = await signedIn(opened, opened.keys.right)
    const { id } = (await opened.app.inject({ url: '/v1/keys/self', headers: { cookie } })).json()
    await opened.ward.keys.revoke(id)
    expect((await opened.app.inject({ url: '/docs', headers: { cookie } })).statusCode).toBe(403)
  })
})

describe('the form', () => {
  const html = { accept: 'text/html,application/xhtml+xml' }

  test('comes with the 401 of a page where a browser asks for it, and with nothing else', async () => {
    const { app } = await open()
    for (const url of ['/', '/docs', '/none']) {
      const answer = await app.inject({ url, headers: html })
      expect([url, answer.statusCode]).toEqual([url, 401])
      expect(answer.headers['www-authenticate']).toContain('ApiKey')
      expect(answer.headers['content-type']).toContain('text/html')
      expect(answer.body).toContain('action="/session"')
    }
    const others = [
      { url: '/docs' },
      { url: '/v1/keys', headers: html },
      { method: 'POST', url: '/predict', headers: html },
      { method: 'POST', url: '/none', headers: html },
    ] as const
    for (const request of others)
      expect((await app.inject(request)).headers['content-type']).toBe('application/problem+json')
  })

  test('comes again, with the reason, once the key of the session is revoked, and leads away from unknown paths', async () => {
    const opened = await open()
    const cookie = await signedIn(opened, opened.keys.right)
    const { id } = (await opened.app.inject({ url: '/v1/keys/self', headers: { cookie } })).json()
    await opened.ward.keys.revoke(id)
    const answer = await opened.app.inject({ url: '/docs', headers: { ...html, cookie } })
    expect(answer.statusCode).toBe(403)
    expect(answer.body).toContain('This API key has been revoked.')
    expect(answer.body).toContain('name="next" value="/docs"')
    expect((await opened.app.inject({ url: '/session', headers: html })).body).toContain(
      'name="next" value="/"',
    )
  })

  test('runs no script, loads nothing, cannot be framed, and writes down nothing unescaped', async () => {
    const { app } = await open()
    const answer = await app.inject({ url: '/x?"><script>alert(1)</script>', headers: html })
    const policy = String(answer.headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('unsafe')
    expect(answer.body).not.toContain('<script')
  })
})

describe('localPath', () => {
  test.each([
    ['/docs', '/docs'],
    ['/docs?a=1#x', '/docs?a=1'],
    ['/', '/'],
    ['//evil.example', '/'],
    ['/\\evil.example', '/'],
    ['/\t/evil.example', '/'],
    ['/.//evil.example', '/'],
    ['/a/..//evil.example', '/'],
    ['https://evil.example', '/'],
    ['javascript:alert(1)', '/'],
    ['docs', '/'],
    ['', '/'],
    [undefined, '/'],
    [['/docs'], '/'],
  ])('%j leads to %s', (text, path) => {
    expect(localPath(text)).toBe(path)
  })
})
