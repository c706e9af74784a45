import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKey, expectProblem, get, json, keyHeader, loveIt, predict } from './ask.ts'
import type { ParityTarget, StartTarget } from './parity-target.ts'
import { exchange, formatRequest, RawConnection } from './raw-http.ts'

const app = 'https://app.example.com'

/** What a browser sends ahead of a call with a key from another origin's page. */
function preflight(origin: string, path = '/predict') {
  return formatRequest({
    method: 'OPTIONS',
    path,
    headers: [
      ['Origin', origin],
      ['Access-Control-Request-Method', 'POST'],
      ['Access-Control-Request-Headers', 'content-type,x-api-key'],
    ],
  })
}

/** Rows 29 to 33 and 46: what is not declared public is not public. */
export function describeDenyRows(start: StartTarget): void {
  let target: ParityTarget
  let key: string
  beforeAll(async () => {
    target = await start()
    key = await createKey(target)
  })
  afterAll(() => target.close())

  test.each(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'])(
    '29 %s /predict, no key: 401',
    async (method) => {
      const { status } = await withoutBody(method, '/predict')
      expect(status).toBe(401)
    },
  )

  test.each([
    '/',
    '/nothing-here',
    '/predict/../health/x',
    '/.env',
    '/health/',
    '/health/x',
    '/HEALTH',
    '//health',
    '/%68ealth/x',
    '/predict%2f..%2fhealth',
    '*',
    '/%',
    '/%ff%fe',
    `/${'x'.repeat(2_000)}`,
  ])('30 unknown path %s, no key: 401; with the right key not 5xx', async (path) => {
    expectProblem(await get(target, path), 401, 'key_missing')
    expect((await get(target, path, [keyHeader(key)])).status).toBeLessThan(500)
  })

  test('30 unknown path with the right key: 404', async () => {
    expectProblem(await get(target, '/nothing-here', [keyHeader(key)]), 404, 'not_found')
  })

  test('30 an OPTIONS preflight is refused like anything else while CORS is off: 401', async () => {
    const answer = await exchange(target.port, preflight(app))
    expectProblem(answer, 401, 'key_missing')
    expect(answer.headers.has('access-control-allow-origin')).toBe(false)
  })

  test.each([
    '/docs',
    '/docs/',
    '/openapi.json',
    '/docs/json',
    '/docs/swagger-ui-bundle.js',
    '/docs/start.js',
  ])('31 %s, no key: 401', async (path) => {
    expectProblem(await get(target, path), 401, 'key_missing')
  })

  test('31 /docs and /openapi.json with the right key: 200; where set open, without a key too', async () => {
    for (const path of ['/docs', '/openapi.json'])
      expect((await get(target, path, [keyHeader(key)])).status).toBe(200)
    const open = await start({ docs: 'open' })
    try {
      for (const path of ['/docs', '/openapi.json', '/docs/swagger-ui.css'])
        expect((await get(open, path)).status).toBe(200)
      expectProblem(await predict(open), 401, 'key_missing')
    } finally {
      await open.close()
    }
  })

  test('32 /health, no key: 200 and nothing but that', async () => {
    const { status, body, headers } = await get(target, '/health')
    expect({ status, body }).toEqual({ status: 200, body: '{"status":"ok"}' })
    expect(headers.has('server')).toBe(false)
    expect(headers.has('x-powered-by')).toBe(false)
  })

  test('33 a static file below /docs, no key: 401; with the right key 200', async () => {
    for (const path of [
      '/docs/static/swagger-ui.css',
      '/docs/swagger-ui.css',
      '/docs/../docs/swagger-ui.css',
    ])
      expectProblem(await get(target, path), 401, 'key_missing')
    expect((await get(target, '/docs/swagger-ui.css', [keyHeader(key)])).status).toBe(200)
  })

  test.each(['/predict', '/', '/docs', '/ws', '/%'])(
    '33 WebSocket upgrade of %s, no key: 401 before the upgrade, and no byte of a 101',
    async (path) => {
      const connection = new RawConnection(target.port)
      void connection.write(upgrade(path))
      const answer = await connection.answer()
      expect({ status: answer.status, interim: answer.interim }).toEqual({ status: 401, interim: [] })
      connection.close()
    },
  )

  test.each(['/health', '/predict'])(
    '33 WebSocket upgrade of %s with the right key, where nothing upgrades: no 101, no crash',
    async (path) => {
      const { status } = await exchange(target.port, upgrade(path, [keyHeader(key)]))
      expect(status).not.toBe(101)
      expect(status).toBeLessThan(500)
      expect((await get(target, '/health')).status).toBe(200)
    },
  )

  test('33 CONNECT and an h2c upgrade, no key: refused, and no byte of a 101 or 200', async () => {
    const connect = await exchange(
      target.port,
      'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n',
    )
    expect([400, 401, 405]).toContain(connect.status)
    const h2c = formatRequest({
      method: 'GET',
      headers: [
        ['Connection', 'Upgrade, HTTP2-Settings'],
        ['Upgrade', 'h2c'],
        ['HTTP2-Settings', 'AAMAAABkAAQAAP__'],
      ],
    })
    expect((await exchange(target.port, h2c)).status).toBe(401)
  })

  test.each(['/predict/', '/docs/', '/health/', '//predict'])(
    '46 %s, no key and a Host of the client’s choice: 401, and no redirect is built from it',
    async (path) => {
      const bytes = `POST ${path} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nContent-Length: 0\r\n\r\n`
      const answer = await exchange(target.port, bytes)
      expect(answer.status).toBe(401)
      expect(answer.headers.has('location')).toBe(false)
      expect(JSON.stringify([...answer.headers]) + answer.body).not.toContain('evil.example')
    },
  )

  test('46 where the server does redirect, with a key, the address names no host', async () => {
    const answer = await get(target, '/', [keyHeader(key), ['X-Forwarded-Host', 'evil.example']])
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toEqual(['/docs'])
  })

  async function withoutBody(method: string, path: string) {
    const bytes = formatRequest({ method, path })
    if (method !== 'HEAD') return exchange(target.port, bytes)
    // A HEAD answer announces a body that does not come: close the connection, and read what there
    // is.
    const connection = new RawConnection(target.port)
    void connection.write(bytes)
    await connection.receives('HTTP/1.1 ')
    const status = Number(connection.received.slice(9, 12))
    connection.close()
    return { status }
  }
}

function upgrade(path: string, headers: readonly (readonly [string, string])[] = []): Buffer {
  return formatRequest({
    method: 'GET',
    path,
    headers: [
      ['Connection', 'Upgrade'],
      ['Upgrade', 'websocket'],
      ['Sec-WebSocket-Version', '13'],
      ['Sec-WebSocket-Key', randomBytes(16).toString('base64')],
      ...headers,
    ],
  })
}

/** Row 30 where CORS is on. */
export function describeCorsRows(start: StartTarget): void {
  describe('30 with CORS on for one origin', () => {
    let target: ParityTarget
    beforeAll(async () => {
      target = await start({ corsOrigins: [app] })
    })
    afterAll(() => target.close())

    test('its preflight is answered without a key, and allows the key header', async () => {
      const { status, headers } = await exchange(target.port, preflight(app))
      expect(status).toBe(204)
      expect(headers.get('access-control-allow-origin')).toEqual([app])
      expect(headers.get('access-control-allow-headers')?.join().toLowerCase()).toContain('x-api-key')
      expect(headers.has('access-control-allow-credentials')).toBe(false)
    })

    test('another origin’s preflight is allowed nothing', async () => {
      const { headers } = await exchange(target.port, preflight('https://evil.example'))
      expect(headers.get('access-control-allow-origin')).not.toEqual(['https://evil.example'])
      expect(headers.get('access-control-allow-origin')).not.toEqual(['*'])
    })

    test('any other OPTIONS meets the guard: 401', async () => {
      const plain = formatRequest({ method: 'OPTIONS' })
      expectProblem(await exchange(target.port, plain), 401, 'key_missing')
      const withOrigin = formatRequest({ method: 'OPTIONS', headers: [['Origin', app]] })
      expectProblem(await exchange(target.port, withOrigin), 401, 'key_missing')
    })

    test('a preflight shows the model nothing, and the call itself still needs its key, with a refusal that the page can read', async () => {
      const headers = [json, ['Origin', app]] as const
      const answer = await exchange(target.port, formatRequest({ headers, body: loveIt }))
      expectProblem(answer, 401, 'key_missing')
      expect(answer.headers.get('access-control-allow-origin')).toEqual([app])
      expect(target.predicted).toEqual([])
    })
  })
}
