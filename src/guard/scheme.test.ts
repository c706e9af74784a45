import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RequestHead } from '../core/request-head.ts'
import { apiKeyCookie, apiKeyHeader, apiKeyQuery, bearer, cookieValues } from './scheme.ts'

function head(headers: Readonly<Record<string, readonly string[]>>, query = ''): RequestHead {
  return {
    headerValues: (name) => headers[name] ?? [],
    queryValues: (name) => new URLSearchParams(query).getAll(name),
    address: '127.0.0.1',
  }
}

describe('apiKeyHeader', () => {
  const scheme = apiKeyHeader({ name: 'X-API-Key' })

  test('reads the header by its lower-case name, without the spaces and tabs around it', () => {
    expect(scheme.read(head({ 'x-api-key': [' \tabc\t '] }))).toEqual(['abc'])
  })

  test('gives both values of a header sent twice, and nothing for a blank one', () => {
    expect(scheme.read(head({ 'x-api-key': ['a', 'a'] }))).toEqual(['a', 'a'])
    expect(scheme.read(head({ 'x-api-key': ['  '] }))).toEqual([])
    expect(scheme.read(head({}))).toEqual([])
  })

  test('does not take one line with a comma apart', () => {
    expect(scheme.read(head({ 'x-api-key': ['right, wrong'] }))).toEqual(['right, wrong'])
  })

  test('is required unless autoError is false', () => {
    expect(scheme.required).toBe(true)
    expect(apiKeyHeader({ name: 'X-API-Key', autoError: false }).required).toBe(false)
  })
})

describe('bearer', () => {
  test.each([
    ['Bearer abc', ['abc']],
    ['bearer   abc ', ['abc']],
    ['BEARER\tabc', ['abc']],
    ['Bearer', []],
    ['Bearer ', []],
    ['Basic abc', []],
    ['Bearerabc', []],
    ['abc', []],
  ])('reads %j as %j', (value, expected) => {
    expect(bearer().read(head({ authorization: [value] }))).toEqual(expected)
  })
})

describe('apiKeyCookie', () => {
  test('reads its own cookie among others, and both where it is there twice', () => {
    const scheme = apiKeyCookie({ name: 'key' })
    expect(scheme.read(head({ cookie: ['a=1; key=abc; xkey=no; keyx=no'] }))).toEqual(['abc'])
    expect(scheme.read(head({ cookie: ['key=a; key=b'] }))).toEqual(['a', 'b'])
    expect(scheme.read(head({ cookie: ['key="quoted"'] }))).toEqual(['quoted'])
  })

  test('finds what was set, whatever other cookies there are', () => {
    const name = fc.stringMatching(/^[a-z]{1,5}$/)
    const value = fc.stringMatching(/^[0-9A-Za-z_.-]{1,10}$/)
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), name, (pairs, wanted) => {
        const cookie = pairs.map((pair) => pair.join('=')).join('; ')
        const expected = pairs.filter(([key]) => key === wanted).map(([, text]) => text)
        expect(cookieValues(head({ cookie: [cookie] }), wanted)).toEqual(expected)
      }),
    )
  })
})

test('apiKeyQuery reads every value of its parameter, decoded', () => {
  expect(apiKeyQuery({ name: 'api_key' }).read(head({}, 'api_key=a%20b&api_key=c&x=d'))).toEqual(['a b', 'c'])
})

describe('a wrong option throws at construction, with what was expected, got and where', () => {
  test.each([
    [() => apiKeyHeader({ name: '' }), 'apiKeyHeader: `name`: expected an RFC 9110 token, got ""'],
    [() => apiKeyHeader({ name: 'X API' }), 'apiKeyHeader: `name`: expected an RFC 9110 token, got "X API"'],
    [() => apiKeyCookie({ name: 'a;b' }), 'apiKeyCookie: `name`: expected an RFC 9110 token, got "a;b"'],
    [() => apiKeyQuery({ name: '' }), 'apiKeyQuery: `name`: expected the name of a query parameter, got ""'],
    [() => bearer({ autoError: 'no' as never }), 'bearer: `autoError`: expected true or false, got "no"'],
  ])('%#', (construct, message) => {
    expect(construct).toThrow(new TypeError(message))
  })
})
