import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createPublicPaths, publicRule } from './adapter-options.ts'

const { array, boolean, constantFrom, property, record, string, stringMatching, tuple } = fc

/** Parts of paths that routers, proxies and file servers read in different ways. */
const part = constantFrom(
  'a',
  'A',
  'health',
  'assets',
  '',
  '.',
  '..',
  '...',
  '%2e',
  '%2F',
  '%',
  '\\',
  ';x',
  ' ',
  '\0',
  '\t',
  'é',
  '..;',
  '.a',
  'a.',
)
const path = array(part, { minLength: 1, maxLength: 6 }).map((parts) => `/${parts.join('/')}`)
const method = constantFrom('GET', 'HEAD', 'POST', 'OPTIONS', 'get', 'DELETE')
const named = stringMatching(/^(?:\/[a-zA-Z.]{0,6}){1,3}$/)
const entry = record({
  method: constantFrom('', 'GET ', 'POST ', 'HEAD '),
  path: named,
  isPrefix: boolean(),
}).map(({ method: by, path: at, isPrefix }) => `${by}${isPrefix ? `${at.replace(/\/*$/, '')}/*` : at}`)

/** The list as its documentation tells it, step by step. */
function isListed(entries: readonly string[], asked: string, at: string): boolean {
  return entries.some((text) => {
    const [by, listed = ''] = text.includes(' ') ? text.split(' ') : [undefined, text]
    const isMethod = by === undefined || by === asked || (by === 'GET' && asked === 'HEAD')
    if (!isMethod) return false
    if (!listed.endsWith('*')) return at === listed
    const prefix = listed.slice(0, -1)
    if (!at.startsWith(prefix)) return false
    const steps = at.slice(prefix.length).split('/')
    return (
      steps.every((step) => step !== '' && step !== '.' && step !== '..') &&
      !/[%\\;]/.test(at.slice(prefix.length))
    )
  })
}

describe('public paths', () => {
  test('are those on the list, letter by letter, and no others', () => {
    fc.assert(
      property(array(entry, { maxLength: 4 }), method, path, (entries, asked, at) => {
        expect(createPublicPaths(entries).has(asked, at)).toBe(isListed(entries, asked, at))
      }),
      { numRuns: 3_000 },
    )
  })

  test('a path that is on no list without a star, letter by letter, is not public', () => {
    fc.assert(
      property(array(named, { maxLength: 3 }), method, string(), (entries, asked, at) => {
        expect(createPublicPaths(entries).has(asked, at)).toBe(entries.includes(at))
      }),
    )
  })

  test('no step that may lead elsewhere is below a prefix: dots, empty steps, encodings, backslashes', () => {
    const elsewhere = constantFrom(
      '.',
      '..',
      '',
      '%2e%2e',
      '%2F',
      '%5c',
      '%00',
      'a%',
      '\\',
      '..\\',
      'a\\..\\b',
      // Servlet containers drop what follows a semicolon, and then walk up.
      '..;',
      '..;v=1',
      ';',
      'a;b',
    )
    const plain = array(stringMatching(/^[a-z]{1,5}$/), { maxLength: 3 })
    fc.assert(
      property(tuple(plain, elsewhere, plain), ([before, step, after]) => {
        const at = `/assets/${[...before, step, ...after].join('/')}`
        expect(createPublicPaths(['/assets/*']).has('GET', at)).toBe(false)
      }),
    )
  })

  test('a prefix opens what is below it, neither itself nor its neighbours', () => {
    const { has } = createPublicPaths(['GET /assets/*'])
    expect(
      ['/assets/a', '/assets/a/b.css', '/assets/..a', '/assets/a..'].filter((at) => !has('GET', at)),
    ).toEqual([])
    expect(
      ['/assets', '/assets/', '/assetsx', '/Assets/a', '/assets//a', '/assets/a/', '//assets/a'].filter(
        (at) => has('GET', at),
      ),
    ).toEqual([])
    expect(has('POST', '/assets/a')).toBe(false)
    expect(has('HEAD', '/assets/a')).toBe(true)
  })

  test('an entry that is no path is refused', () => {
    const wrong = [
      '',
      'health',
      'get /health',
      '/a b',
      '/a?b',
      '/a#b',
      '/*/a',
      '/a*',
      '*',
      'GET',
      'GET  /a',
      '/a\n',
      ' /a',
      'GE /a',
      '/a**',
    ]
    for (const text of wrong) {
      expect([text, publicRule.accepts([text])]).toEqual([text, false])
      expect(() => createPublicPaths([text])).toThrow('public: expected an array of paths')
    }
    for (const value of ['/a', null, undefined, {}, [null], [['/a']], [new String('/a')], ['/a', '']])
      expect(publicRule.accepts(value)).toBe(false)
  })
})
