import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { apiKeyHeader, bearer, createTestWard, openModelward } from '../../src/index.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelward-options-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const shared: readonly (readonly [object, string])[] = [
  [{ schemes: [] }, '`schemes`: there is no such option; did you mean `scheme`?'],
  [
    { scheme: 'X-API-Key' },
    '`scheme`: expected a scheme, or an array of at least one, each of another place, such as apiKeyHeader({ name }), got "X-API-Key"',
  ],
  [{ scheme: [] }, '`scheme`: expected a scheme'],
  [{ scheme: [bearer(), null] }, '`scheme`: expected a scheme'],
  [
    { scheme: [bearer(), bearer({ autoError: false })] },
    '`scheme`: expected a scheme, or an array of at least one, each of another place',
  ],
  [{ scheme: [apiKeyHeader({ name: 'A' }), apiKeyHeader({ name: 'a' })] }, 'each of another place'],
  [{ scheme: { read() {} } }, '`scheme`: expected a scheme'],
  [{ environment: 'prod' }, '`environment`: expected `live` or `test`, got "prod"'],
  [{ invalidKeyStatus: 404 }, '`invalidKeyStatus`: expected 401 or 403, got 404'],
  [{ invalidKeyStatus: '401' }, '`invalidKeyStatus`: expected 401 or 403, got "401"'],
]

describe('wrong options of a ward reject, with what was expected, what came and where', () => {
  test.each([
    ...shared,
    [{ data: '' }, 'openModelward: `data`: expected a folder\'s path, got ""'],
    [{ data: undefined }, 'openModelward: expected `data` or `databaseUrl`, got neither'],
    [{ databaseUrl: 'postgres://db/app' }, 'openModelward: expected `data` or `databaseUrl`, got both'],
    [
      { data: undefined, databaseUrl: 'postgres://db/app', pepper: '1:hush' },
      'openModelward: `databaseUrl` needs `redisUrl`, `signingKey` beside it',
    ],
    [
      { redisUrl: 'redis://cache', migrate: 'never' },
      'openModelward: expected `redisUrl`, `migrate` beside a `databaseUrl` alone',
    ],
    [{ databaseUrl: 7 }, 'openModelward: `databaseUrl`: expected a URL, got another number'],
    [{ keyPrefix: 'MW' }, '`keyPrefix`: expected 2 to 12 of a-z 0-9, starting with a letter, got "MW"'],
    [{ realm: 'a"b' }, '`realm`: expected printable ASCII without quotes or backslashes'],
    [{ realm: 'a\r\nb' }, '`realm`: expected printable ASCII'],
    [{ pepper: 7 }, '`pepper`: expected text, got another number'],
    [{ cachedKeysMax: 1.5 }, '`cachedKeysMax`: expected a whole number from 2 on, got 1.5'],
    [
      { create: 'no', clock: 0, onEvent: null },
      '`create`: expected true or false, got "no"; `clock`: expected a function, got 0; `onEvent`: expected a function, got null',
    ],
  ] as (readonly [object, string])[])('openModelward(%o)', async (options, message) => {
    const data = join(folder, 'data')
    await expect(openModelward({ data, ...options } as never)).rejects.toThrow(TypeError)
    await expect(openModelward({ data, ...options } as never)).rejects.toThrow(message)
    expect(readdirSync(folder)).toEqual([])
  })

  test.each([
    ...shared,
    [{ data: 'x' }, 'createTestWard: `data`: there is no such option'],
    [{ now: new Date(Number.NaN) }, 'createTestWard: `now`: expected a Date'],
    [{ keys: ['a'] }, '`keys`: expected an object of keys by their names, got an array'],
    [
      { now: 'today' },
      '`now`: expected a Date, milliseconds since the epoch, or a time in ISO 8601 with its zone, such as `2027-01-31` (UTC) or `2027-01-31T12:00:00Z`, got "today"',
    ],
  ] as (readonly [object, string])[])('createTestWard(%o)', async (options, message) => {
    await expect(createTestWard(options as never)).rejects.toThrow(TypeError)
    await expect(createTestWard(options as never)).rejects.toThrow(message)
  })

  test('a key of a test ward that could not be created, and a time that cannot be', async () => {
    await expect(createTestWard({ keys: { a: { scopes: ['Not A Scope'] } } })).rejects.toMatchObject({
      code: 'input_invalid',
    })
    const ward = await createTestWard()
    for (const by of ['soon', '', Number.NaN, 1.5])
      expect(() => ward.advance(by)).toThrow(/^advance: expected milliseconds or a duration such as 15min/)
  })
})

test.each([new Date(Date.UTC(2027, 0, 31)), Date.UTC(2027, 0, 31), '2027-01-31'])(
  'the clock of a test’s ward begins at %o',
  async (now) => {
    const ward = await createTestWard({ now, keys: { alice: { expiresAt: '1d' } } })
    const { expiresAt } = await ward.keys.get(ward.ids.alice)
    expect(expiresAt).toBe(Date.UTC(2027, 1, 1))
  },
)
