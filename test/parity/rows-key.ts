import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Problem } from '../../src/core/refusal.ts'
import {
  createKey,
  expectProblem,
  json,
  keyHeader,
  loveIt,
  predict,
  unknownKey,
  withOtherSecret,
} from './ask.ts'
import type { ParityTarget, StartTarget } from './parity-target.ts'
import { formatRequest, RawConnection, type RawRequest } from './raw-http.ts'

/** Rows 1 to 16: what counts as a key, and where. */
export function describeKeyRows(start: StartTarget): void {
  let target: ParityTarget
  let key: string
  beforeAll(async () => {
    target = await start()
    key = await createKey(target)
  })
  afterAll(() => target.close())

  /** Expects the refusal, and that the model heard nothing. */
  async function refused(request: RawRequest, status: number, code: string): Promise<Problem> {
    const before = target.predicted.length
    const problem = expectProblem(await predict(target, request), status, code)
    expect(target.predicted.length).toBe(before)
    return problem
  }

  test('1 right key: 200 and a positive sentiment', async () => {
    const { status, body } = await predict(target, { headers: [keyHeader(key)] })
    expect(status).toBe(200)
    expect(JSON.parse(body)).toMatchObject({ text: 'I love this great product', sentiment: 'positive' })
    expect(target.predicted.at(-1)).toBe('I love this great product')
  })

  test.each([
    ['garbage', () => 'wrong'],
    ['no key of this store', () => unknownKey(target)],
    ['the right id with another secret', () => withOtherSecret(key, target)],
    ['the right key cut short', () => key.slice(0, -1)],
    ['the right key and one character', () => `${key}0`],
    ['a key of the other environment', () => key.replace('_live_', '_test_')],
    ['what is kept in place of a key, its digest', () => 'ab'.repeat(32)],
  ])('2 wrong key, %s: 403 Invalid API key, and the model is never called', async (_, wrong) => {
    const { detail } = await refused({ headers: [keyHeader(wrong())] }, 403, 'key_invalid')
    expect(detail).toBe('Invalid API key')
  })

  test('2 wrong key where the deployment chose 401: 401 Invalid API key with a challenge', async () => {
    const strict = await start({ invalidKeyStatus: 401 })
    try {
      const answer = await predict(strict, { headers: [keyHeader('wrong')] })
      expect(expectProblem(answer, 401, 'key_invalid').detail).toBe('Invalid API key')
      expect(answer.headers.get('www-authenticate')).toEqual(['ApiKey realm="modelward", header="X-API-Key"'])
    } finally {
      await strict.close()
    }
  })

  test('3 no key: 401 Not authenticated with one challenge, and the model is never called', async () => {
    expect((await refused({}, 401, 'key_missing')).detail).toBe('Not authenticated')
    const { headers } = await predict(target)
    expect(headers.get('www-authenticate')).toEqual(['ApiKey realm="modelward", header="X-API-Key"'])
  })

  test.each(['', ' ', '\t \t'])('4 empty or blank key %j: as no key', async (blank) => {
    expect((await refused({ headers: [keyHeader(blank)] }, 401, 'key_missing')).detail).toBe(
      'Not authenticated',
    )
  })

  test.each(['x-api-key', 'X-API-KEY', 'x-Api-kEy'])('5 header name %s: 200', async (name) => {
    expect((await predict(target, { headers: [[name, key]] })).status).toBe(200)
  })

  test.each([
    ['capitals', () => key.toUpperCase()],
    ['small letters', () => key.toLowerCase()],
  ])('6 key in %s: 403', async (_, text) => {
    expect(text()).not.toBe(key)
    await refused({ headers: [keyHeader(text())] }, 403, 'key_invalid')
  })

  test('7 spaces and tabs around the value: 200', async () => {
    expect((await predict(target, { headers: [keyHeader(` \t ${key}\t  `)] })).status).toBe(200)
  })

  test.each([
    ['8 key header twice, right then wrong', () => [keyHeader(key), keyHeader('wrong')]],
    ['8 key header twice, wrong then right', () => [keyHeader('wrong'), keyHeader(key)]],
    ['8 key header twice, in two spellings', () => [['x-api-key', 'wrong'] as const, keyHeader(key)]],
    ['8 key header twice, two right keys', () => [keyHeader(key), keyHeader(other)]],
    ['9 key header twice, the same', () => [keyHeader(key), keyHeader(key)]],
    [
      '9 key header twice, three other headers between',
      () => [keyHeader(key), ['A', '1'] as const, ['B', '2'] as const, ['C', '3'] as const, keyHeader(key)],
    ],
  ])('%s: 400 key_ambiguous, never 200', async (_, headers) => {
    await refused({ headers: headers() }, 400, 'key_ambiguous')
  })
  let other: string
  beforeAll(async () => {
    other = await createKey(target)
  })

  test('10 `right, wrong` and `right,right` in one line: 403', async () => {
    await refused({ headers: [keyHeader(`${key}, wrong`)] }, 403, 'key_invalid')
    await refused({ headers: [keyHeader(`${key},${key}`)] }, 403, 'key_invalid')
  })

  test('11 non-ASCII bytes in the key, of every length there is: 403, not 500', async () => {
    for (const text of [
      '\xe9',
      'schl\xfcssel',
      '\xff'.repeat(70),
      `${key.slice(0, -1)}\xe9`,
      '\xc3\xa9\xf0\x9f',
    ])
      await refused({ headers: [keyHeader(text)] }, 403, 'key_invalid')
  })

  test.each([
    ['12', 17 * 1_024],
    ['13', 100 * 1_024],
  ])('%s a key of %i bytes: 431, and the connection ends', async (_, size) => {
    const before = target.predicted.length
    const connection = new RawConnection(target.port)
    void connection.write(formatRequest({ headers: [json, keyHeader('k'.repeat(size))], body: loveIt }))
    expectProblem(await connection.answer(), 431, 'headers_too_large')
    await connection.ended()
    connection.close()
    expect(target.predicted.length).toBe(before)
  })

  test.each([
    ['a NUL in the key', () => keyHeader(`${key}\0`)],
    ['a bare CR in the key', () => keyHeader(`${key}\rX-Other: 1`)],
    ['a bare LF in the key', () => keyHeader(`${key}\nX-Other`)],
    ['a space before the colon', () => ['X-API-Key ', key] as const],
    ['a folded line', () => keyHeader(`\r\n ${key}`)],
  ])('14 %s: 400, and the model is never called', async (_, header) => {
    const before = target.predicted.length
    const answer = await predict(target, { headers: [header()] })
    expect(target.predicted.length).toBe(before)
    expectProblem(answer, 400, 'request_malformed')
  })

  test.each([
    ['a second Host', [['Host', 'other.test']]],
    ['a second Host that is the same', [['hOsT', 'modelward.test']]],
    ['a transfer coding that no server here decodes', [['Transfer-Encoding', 'gzip, chunked']]],
  ] as const)('14 %s: 400 with the right key, and the model is never called', async (_, headers) => {
    const body =
      headers[0][0] === 'Transfer-Encoding'
        ? '24\r\n{"text":"I love this great product"}\r\n0\r\n\r\n'
        : loveIt
    await refused({ headers: [keyHeader(key), ...headers], body }, 400, 'request_malformed')
  })

  test('15 key in the query only: 401, and the key is in no log', async () => {
    for (const name of ['X-API-Key', 'api_key', 'key', 'access_token'])
      await refused({ path: `/predict?${name}=${key}` }, 401, 'key_missing')
    expect(target.logText()).toContain('/predict')
    expect(target.logText()).not.toContain(key.slice(-49))
  })

  test('16 Authorization: Bearer where that scheme is off: 401', async () => {
    await refused({ headers: [['Authorization', `Bearer ${key}`]] }, 401, 'key_missing')
  })
}

/** Row 16 where the scheme `bearer` is on too. */
export function describeBearerRows(start: StartTarget): void {
  describe('16 with the scheme bearer on', () => {
    let target: ParityTarget
    let key: string
    let other: string
    beforeAll(async () => {
      target = await start({ schemes: ['header', 'bearer'] })
      key = await createKey(target)
      other = await createKey(target)
    })
    afterAll(() => target.close())
    const authorization = (text: string): readonly [string, string] => ['Authorization', text]

    test.each(['Bearer', 'bearer', 'BEARER'])('%s <key>: 200', async (word) => {
      expect((await predict(target, { headers: [authorization(`${word} ${key}`)] })).status).toBe(200)
    })

    test('both sent and the same: 200; both sent and different: 400, whichever is right', async () => {
      const both = (a: string, b: string) =>
        predict(target, { headers: [keyHeader(a), authorization(`Bearer ${b}`)] })
      expect((await both(key, key)).status).toBe(200)
      expectProblem(await both(key, other), 400, 'key_ambiguous')
      expectProblem(await both('wrong', key), 400, 'key_ambiguous')
      expectProblem(await both(key, 'wrong'), 400, 'key_ambiguous')
    })

    test('Authorization twice: 400, although Node shows the first alone', async () => {
      const headers = [authorization(`Bearer ${key}`), authorization(`Bearer ${other}`)]
      expectProblem(await predict(target, { headers }), 400, 'key_ambiguous')
    })

    test('another authorization scheme is no key: 401 with both challenges', async () => {
      const answer = await predict(target, { headers: [authorization(`Basic ${btoa(`user:${key}`)}`)] })
      expectProblem(answer, 401, 'key_missing')
      expect(answer.headers.get('www-authenticate')).toEqual([
        'ApiKey realm="modelward", header="X-API-Key", Bearer realm="modelward"',
      ])
    })
  })
}
