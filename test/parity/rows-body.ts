import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKey, expectProblem, get, json, keyHeader, loveIt, predict, unknownKey } from './ask.ts'
import type { ParityTarget, StartTarget } from './parity-target.ts'
import { formatRequest, RawConnection, type RawRequest } from './raw-http.ts'

/** What the input says where a test looks for it in answers and logs. */
const marker = 'a-very-private-sentence'
const malformed = `{"text": "${marker}", }`

/** Rows 17 to 28: the body, and that no body is read before the key. */
export function describeBodyRows(start: StartTarget): void {
  let target: ParityTarget
  let key: string
  beforeAll(async () => {
    target = await start()
    key = await createKey(target)
  })
  afterAll(() => target.close())

  /** With the right key. */
  const ask = (request: RawRequest) =>
    predict(target, { ...request, headers: [keyHeader(key), ...(request.headers ?? [])] })

  test('17 right key, `{}`: 422 with an entry for ["body","text"], and the model is never called', async () => {
    const before = target.predicted.length
    const problem = expectProblem(await ask({ body: '{}' }), 422, 'input_invalid')
    expect(problem.errors).toEqual([{ loc: ['body', 'text'], msg: 'Field required', type: 'missing' }])
    expect(target.predicted.length).toBe(before)
  })

  test('18 right key, malformed JSON: 422, and the input is neither echoed nor logged', async () => {
    const answer = await ask({ body: malformed })
    expect(expectProblem(answer, 422, 'input_invalid').errors?.[0]?.loc).toEqual(['body'])
    expect(answer.body).not.toContain(marker)
    expect([...answer.headers.values()].flat().join()).not.toContain(marker)
    expect(target.logText()).not.toContain(marker)
  })

  test('18 right key, a body so short that a parser would quote all of it: not echoed either', async () => {
    for (const body of ['zq9', '{zq9', '"zq9', '{"text":zq9}']) {
      const answer = await ask({ body })
      expectProblem(answer, 422, 'input_invalid')
      expect(answer.body).not.toContain('zq9')
    }
  })

  test('19 wrong key, `{}`: 403', async () => {
    expectProblem(await predict(target, { headers: [keyHeader('wrong')], body: '{}' }), 403, 'key_invalid')
  })

  test('20 malformed JSON: 403 with a wrong key, 401 without one', async () => {
    const wrong = { headers: [keyHeader(unknownKey(target))], body: malformed }
    expectProblem(await predict(target, wrong), 403, 'key_invalid')
    expectProblem(await predict(target, { body: malformed }), 401, 'key_missing')
  })

  test('21 no key, body that is not UTF-8: 401; with the right key 422', async () => {
    const body = Buffer.concat([Buffer.from('{"text":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')])
    expectProblem(await predict(target, { body }), 401, 'key_missing')
    expectProblem(await ask({ body }), 422, 'input_invalid')
  })

  test.each([
    ['no key', () => [], 401, 'key_missing'],
    ['wrong key', () => [keyHeader(unknownKey(target))], 403, 'key_invalid'],
  ] as const)(
    '22 %s, 1,000,000 bytes announced and withheld: the answer at once, then the connection ends',
    async (_, headers, status, code) => {
      const connection = new RawConnection(target.port)
      const head = formatRequest({ headers: [json, ...headers(), ['Content-Length', '1000000']] })
      void connection.write(head)
      const answer = await connection.answer()
      expectProblem(answer, status, code)
      expect(connection.bytesSent).toBe(head.length)
      expect(answer.headers.get('connection')).toEqual(['close'])
      await connection.ended()
      connection.close()
    },
  )

  test('22 no key, a chunked body begun and withheld: 401, then the connection ends', async () => {
    const connection = new RawConnection(target.port)
    void connection.write(
      formatRequest({ headers: [json, ['Transfer-Encoding', 'chunked']], body: '5\r\n{"tex' }),
    )
    expectProblem(await connection.answer(), 401, 'key_missing')
    await connection.ended()
    connection.close()
  })

  test.each([
    ['no key', () => [], 401, 'key_missing'],
    ['wrong key', () => [keyHeader(unknownKey(target))], 403, 'key_invalid'],
  ] as const)(
    '23 %s, Expect: 100-continue: the final answer and no 100',
    async (_, headers, status, code) => {
      const connection = new RawConnection(target.port)
      const expects = ['Expect', '100-continue'] as const
      const length = ['Content-Length', String(loveIt.length)] as const
      void connection.write(formatRequest({ headers: [json, expects, length, ...headers()] }))
      const answer = await connection.answer()
      expectProblem(answer, status, code)
      expect(answer.interim).toEqual([])
      await connection.ended()
      expect(connection.received).toBe('')
      connection.close()
    },
  )

  test('23 right key, Expect: 100-continue: one 100, then the body is taken, then 200', async () => {
    const connection = new RawConnection(target.port)
    const headers = [
      json,
      keyHeader(key),
      ['Expect', '100-continue'],
      ['Content-Length', String(loveIt.length)],
    ]
    void connection.write(formatRequest({ headers: headers as [string, string][] }))
    await connection.receives('HTTP/1.1 100 Continue\r\n\r\n')
    void connection.write(loveIt)
    const answer = await connection.answer()
    expect({ status: answer.status, interim: answer.interim }).toEqual({ status: 200, interim: [100] })
    connection.close()
  })

  test('25 right key, a body over the limit: 413 from its announced length alone', async () => {
    const connection = new RawConnection(target.port)
    const headers = [json, keyHeader(key), ['Content-Length', String(1_048_577)]] as const
    void connection.write(formatRequest({ headers }))
    expectProblem(await connection.answer(), 413, 'body_too_large')
    await connection.ended()
    connection.close()
  })

  test('25 right key, a chunked body over the limit, announced nowhere: 413', async () => {
    const before = target.predicted.length
    const connection = new RawConnection(target.port)
    const headers = [json, keyHeader(key), ['Transfer-Encoding', 'chunked']] as const
    await connection.write(formatRequest({ headers }))
    const chunk = Buffer.from(`${(65_536).toString(16)}\r\n${' '.repeat(65_536)}\r\n`)
    for (let sent = 0; sent < 20; sent += 1) if (!(await connection.write(chunk))) break
    expectProblem(await connection.answer(), 413, 'body_too_large')
    await connection.ended()
    connection.close()
    expect(target.predicted.length).toBe(before)
  })

  test('25 right key, a body of exactly the limit: not 413', async () => {
    const body = `{"text":"fine"${' '.repeat(1_048_576 - 15)}}`
    expect(Buffer.byteLength(body)).toBe(1_048_576)
    expect((await ask({ body })).status).toBe(200)
  })

  test.each([
    ['text/plain', [['Content-Type', 'text/plain']]],
    ['no content type', []],
    ['a form', [['Content-Type', 'application/x-www-form-urlencoded']]],
    ['something like JSON', [['Content-Type', 'application/jsonx']]],
    ['nonsense', [['Content-Type', 'nonsense']]],
  ] as const)('26 right key, %s: 415', async (_, type) => {
    const before = target.predicted.length
    const headers = [keyHeader(key), ...type] as readonly (readonly [string, string])[]
    const connection = new RawConnection(target.port)
    void connection.write(formatRequest({ headers, body: loveIt }))
    expectProblem(await connection.answer(), 415, 'media_type_unsupported')
    connection.close()
    expect(target.predicted.length).toBe(before)
  })

  test('26 JSON with a charset, in any case: 200', async () => {
    const headers = [keyHeader(key), ['Content-Type', 'Application/JSON; charset=UTF-8']] as const
    const connection = new RawConnection(target.port)
    void connection.write(formatRequest({ headers, body: loveIt }))
    expect((await connection.answer()).status).toBe(200)
    connection.close()
  })

  test.each([
    ['a number', '7', 'string_type'],
    ['null', 'null', 'string_type'],
    ['an object', '{}', 'string_type'],
    ['empty', '""', 'string_too_short'],
    ['10,001 characters', JSON.stringify('x'.repeat(10_001)), 'string_too_long'],
    ['10,001 emoji', JSON.stringify('😀'.repeat(10_001)), 'string_too_long'],
  ])('27 `text` is %s: 422 at ["body","text"]', async (_, text, type) => {
    const problem = expectProblem(await ask({ body: `{"text":${text}}` }), 422, 'input_invalid')
    expect(problem.errors).toMatchObject([{ loc: ['body', 'text'], type }])
  })

  test.each(['x', '😀'])('27 `text` is 10,000 times %s: 200', async (character) => {
    const body = JSON.stringify({ text: character.repeat(10_000) })
    expect((await ask({ body })).status).toBe(200)
  })

  test.each(['[]', '"text"', '7', 'null'])('27 the body is %s, not an object: 422', async (body) => {
    expectProblem(await ask({ body }), 422, 'input_invalid')
  })

  test('28 GET /predict with the right key: 405 and Allow: POST', async () => {
    const answer = await get(target, '/predict', [keyHeader(key)])
    expectProblem(answer, 405, 'method_not_allowed')
    expect(answer.headers.get('allow')).toEqual(['POST'])
  })

  test.each(['PUT', 'DELETE', 'PATCH', 'TRACE', 'BREW'])(
    '28 %s /predict with the right key: 405, or 400 where it is no method',
    async (method) => {
      const connection = new RawConnection(target.port)
      void connection.write(formatRequest({ method, headers: [keyHeader(key)] }))
      const { status } = await connection.answer()
      connection.close()
      expect(status).toBe(method === 'BREW' ? 400 : 405)
    },
  )
}

/** Refused and kept connections: what a client that reuses its connection may rely on. */
export function describeKeepAliveRows(start: StartTarget): void {
  describe('a refusal leaves the connection in step', () => {
    let target: ParityTarget
    let key: string
    beforeAll(async () => {
      target = await start()
      key = await createKey(target)
    })
    afterAll(() => target.close())

    test('20 a body refused unread is never taken for the next request', async () => {
      const connection = new RawConnection(target.port)
      // The body is itself a whole request, with the right key.
      const smuggled = formatRequest({ headers: [json, keyHeader(key)], body: loveIt })
      const before = target.predicted.length
      void connection.write(formatRequest({ headers: [json], body: smuggled }))
      expectProblem(await connection.answer(), 401, 'key_missing')
      void connection.write(formatRequest({ method: 'GET', path: '/health' }))
      // Either the connection is over, or the next answer is the next request's.
      const next = await connection.answer().catch(() => undefined)
      if (next !== undefined) expect(JSON.parse(next.body)).toEqual({ status: 'ok' })
      connection.close()
      expect(target.predicted.length).toBe(before)
    })

    test('20 Content-Length and Transfer-Encoding together: 400, whatever the key', async () => {
      const headers = [
        json,
        keyHeader(key),
        ['Content-Length', '5'],
        ['Transfer-Encoding', 'chunked'],
      ] as const
      const connection = new RawConnection(target.port)
      void connection.write(formatRequest({ headers, body: '0\r\n\r\n' }))
      expectProblem(await connection.answer(), 400, 'request_malformed')
      await connection.ended()
      connection.close()
    })
  })
}
