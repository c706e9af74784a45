import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestWard, type TestWard } from '../../src/ward/test-ward.ts'
import { expectProblem, json, keyHeader, loveIt } from '../parity/ask.ts'
import { formatRequest, RawConnection } from '../parity/raw-http.ts'
import type { AdapterTarget } from './adapter-target.ts'
import { adapters, server } from './adapters.ts'
import { type AppRoute, appRoutes } from './app-routes.ts'

/** A public route that reads its body, as far as the framework does by itself. */
const openPost: AppRoute = { path: '/open/who', guard: 'public', handle: () => 'in' }

const onSockets = [server, ...adapters].filter(({ name }) => !/app\.request|web-standard/.test(name))

describe.each(onSockets)('$name, over a socket', (adapter) => {
  let ward: TestWard<'right'>
  let target: AdapterTarget
  let port: number
  beforeAll(async () => {
    ward = await createTestWard({ keys: { right: {} } })
    const routes = [...appRoutes.filter(({ path }) => path !== openPost.path), openPost]
    target = await adapter.start({ ward, routes })
    port = target.port ?? 0
  })
  afterAll(() => target.close())

  test.each([
    ['no key', [], 401, 'key_missing'],
    ['a wrong key', [keyHeader('wrong')], 403, 'key_invalid'],
  ] as const)(
    '22 %s, a body announced and withheld: the answer at once, and the connection ends',
    async (_, headers, status, code) => {
      const connection = new RawConnection(port)
      const head = formatRequest({ headers: [json, ...headers, ['Content-Length', '1000000']] })
      void connection.write(head)
      const answer = await connection.answer()
      expectProblem(answer, status, code)
      expect(answer.headers.get('connection')).toEqual(['close'])
      expect(connection.bytesSent).toBe(head.length)
      await connection.ended()
      connection.close()
    },
  )

  test('22 no key, a chunked body begun and withheld: 401, and the connection ends', async () => {
    const connection = new RawConnection(port)
    const headers = [json, ['Transfer-Encoding', 'chunked']] as const
    void connection.write(formatRequest({ headers, body: '5\r\n{"tex' }))
    expectProblem(await connection.answer(), 401, 'key_missing')
    await connection.ended()
    connection.close()
  })

  test.each(['announced', 'chunked'])(
    '24 no key, a 50 MB body, %s, by a client that sends until the connection is gone: 401, and no reset before it is read',
    async (how) => {
      const connection = new RawConnection(port)
      const piece = Buffer.alloc(65_536, 'x')
      const framed = Buffer.concat([Buffer.from('10000\r\n'), piece, Buffer.from('\r\n')])
      const framing = how === 'chunked' ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', '50000000']
      void connection.write(formatRequest({ headers: [json, framing as [string, string]] }))
      const answer = connection.answer()
      for (let sent = 0; sent < 50_000_000 - piece.length; sent += piece.length)
        if (!(await connection.write(how === 'chunked' ? framed : piece))) break
      expectProblem(await answer, 401, 'key_missing')
      await connection.ended()
      connection.close()
    },
  )

  test.each([
    ['no key', [], 401, 'key_missing'],
    ['a wrong key', [keyHeader('wrong')], 403, 'key_invalid'],
  ] as const)(
    '23 %s, Expect: 100-continue: the final answer, and no 100',
    async (_, headers, status, code) => {
      const connection = new RawConnection(port)
      const expects = [json, ['Expect', '100-continue'], ['Content-Length', '20'], ...headers] as const
      void connection.write(formatRequest({ headers: expects }))
      const answer = await connection.answer()
      expectProblem(answer, status, code)
      expect(answer.interim).toEqual([])
      await connection.ended()
      expect(connection.received).toBe('')
      connection.close()
    },
  )

  test('a HEAD of a guarded path without a key is 401, and of a public one 200', async () => {
    for (const [path, status] of [
      ['/unthought', 401],
      ['/health', 200],
    ] as const) {
      const connection = new RawConnection(port)
      void connection.write(formatRequest({ method: 'HEAD', path }))
      await connection.receives(`HTTP/1.1 ${status} `)
      connection.close()
    }
  })

  test('20 a request in the refused body of another is never taken for one', async () => {
    const connection = new RawConnection(port)
    const smuggled = formatRequest({ headers: [json, keyHeader(ward.testKeys.right)], body: loveIt })
    void connection.write(formatRequest({ headers: [json], body: smuggled }))
    expectProblem(await connection.answer(), 401, 'key_missing')
    void connection.write(formatRequest({ method: 'GET', path: '/health' }))
    const next = await connection.answer().catch(() => undefined)
    if (next !== undefined) expect(JSON.parse(next.body)).toEqual({ status: 'ok' })
    connection.close()
  })

  test('a refused request leaves a kept connection in step: the next one on it is answered as its own', async () => {
    const connection = new RawConnection(port)
    const ask = (headers: readonly (readonly [string, string])[]) =>
      connection.write(formatRequest({ method: 'GET', path: '/unthought', headers }))
    void ask([])
    expectProblem(await connection.answer(), 401, 'key_missing')
    void ask([keyHeader(ward.testKeys.right)])
    expect((await connection.answer()).status).toBe(200)
    void ask([keyHeader('wrong')])
    expectProblem(await connection.answer(), 403, 'key_invalid')
    connection.close()
  })
})
