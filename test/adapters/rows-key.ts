import { json, keyHeader, loveIt, unknownKey, withOtherSecret } from '../parity/ask.ts'
import type { RawRequest } from '../parity/raw-http.ts'
import type { Row, Saying } from './describe-rows.ts'

export const admitted: Saying = { status: 200 }
export const invalid: Saying = { status: 403, code: 'key_invalid', detail: 'Invalid API key' }
export const missing: Saying = { status: 401, code: 'key_missing', detail: 'Not authenticated' }
const misplaced: Saying = {
  ...missing,
  detail: 'Not authenticated. Send the API key in the header `X-API-Key`.',
}
const ambiguous: Saying = { status: 400, code: 'key_ambiguous' }

type Headers = NonNullable<RawRequest['headers']>

/** `POST /predict` with the comparison's body and these headers. */
export function predict(headers: Headers, changes: Partial<RawRequest> = {}): RawRequest {
  return { body: loveIt, ...changes, headers: [json, ...headers] }
}

/** Rows of wrong keys, each wrong in its own way. */
const wrong: readonly Row[] = [
  { name: '2 garbage', request: () => predict([keyHeader('wrong')]), says: invalid },
  { name: '2 a key of no store', request: (ward) => predict([keyHeader(unknownKey(ward))]), says: invalid },
  {
    name: '2 the right id with another secret',
    request: (ward) => predict([keyHeader(withOtherSecret(ward.testKeys.right, ward as never))]),
    says: invalid,
  },
  ...(
    [
      ['the right key cut short', (key) => key.slice(0, -1)],
      ['the right key and one character', (key) => `${key}0`],
      ['a key of the other environment', (key) => key.replace('_live_', '_test_')],
      ['a key of another prefix', (key) => key.replace('mw_', 'xy_')],
      ['the key in capitals', (key) => key.toUpperCase()],
      ['the key in small letters', (key) => key.toLowerCase()],
      ['the key within quotes', (key) => `"${key}"`],
      ['the key behind the word Bearer', (key) => `Bearer ${key}`],
      ['a key of 600 characters', (key) => key + 'k'.repeat(530)],
      ['a text of 8,000 characters', () => 'k'.repeat(8_000)],
    ] as [string, (key: string) => string][]
  ).map(
    ([name, change]): Row => ({
      name: `2, 6 ${name}`,
      request: (ward) => predict([keyHeader(change(ward.testKeys.right))]),
      says: invalid,
    }),
  ),
  ...['\xe9', 'schl\xfcssel', '\xff'.repeat(70), '\xc3\xa9\xf0\x9f'].map(
    (text): Row => ({
      name: `11 bytes beyond ASCII: ${text.slice(0, 10)}`,
      request: () => predict([keyHeader(text)]),
      says: invalid,
    }),
  ),
]

const right = (headers: (key: string) => Headers): Row['request'] => {
  return (ward) => predict(headers(ward.testKeys.right))
}

/** Rows 1 to 20: what counts as a key, and where. */
export const keyRows: readonly Row[] = [
  { name: '1 the right key', request: right((key) => [keyHeader(key)]), says: admitted },
  ...wrong,
  { name: '3 no key', request: right(() => []), says: missing },
  ...['', ' ', '\t \t'].map(
    (blank): Row => ({
      name: `4 a blank key ${JSON.stringify(blank)}`,
      request: right(() => [keyHeader(blank)]),
      says: missing,
    }),
  ),
  ...['x-api-key', 'X-API-KEY', 'x-Api-kEy'].map(
    (name): Row => ({
      name: `5 the header called ${name}`,
      request: right((key) => [[name, key]]),
      says: admitted,
    }),
  ),
  {
    name: '7 spaces and tabs around the key',
    request: right((key) => [keyHeader(` \t ${key}\t `)]),
    says: admitted,
  },
  {
    name: '8 right then wrong',
    request: right((key) => [keyHeader(key), keyHeader('wrong')]),
    says: ambiguous,
  },
  {
    name: '8 wrong then right',
    request: right((key) => [keyHeader('wrong'), keyHeader(key)]),
    says: ambiguous,
  },
  {
    name: '8 in two spellings',
    request: right((key) => [['x-api-key', 'wrong'], keyHeader(key)]),
    says: ambiguous,
  },
  {
    name: '9 the same key twice',
    request: right((key) => [keyHeader(key), keyHeader(key)]),
    says: ambiguous,
  },
  {
    name: '9 the same key twice, another header between',
    request: right((key) => [keyHeader(key), ['A', '1'], keyHeader(key)]),
    says: ambiguous,
  },
  ...[
    ['a blank line, then the key', (key: string): Headers => [keyHeader(''), keyHeader(key)]],
    ['the key, then a blank line', (key: string): Headers => [keyHeader(key), keyHeader(' ')]],
    ['two blank lines', (): Headers => [keyHeader(''), keyHeader('')]],
  ].map(
    ([name, headers]): Row => ({
      name: `9 ${name}`,
      request: right(headers as (key: string) => Headers),
      says: ambiguous,
    }),
  ),
  {
    name: '10 `right, wrong` in one line',
    request: right((key) => [keyHeader(`${key}, wrong`)]),
    says: invalid,
    joinedSays: ambiguous,
  },
  {
    name: '10 `right,right` in one line',
    request: right((key) => [keyHeader(`${key},${key}`)]),
    says: invalid,
    joinedSays: ambiguous,
  },
  {
    name: '15 the key in the query only',
    request: (ward) =>
      predict([], { path: `/predict?key=${ward.testKeys.right}&X-API-Key=${ward.testKeys.right}` }),
    says: misplaced,
  },
  {
    name: '15 the key at the end of a long query: a stranger has no more of it looked at',
    request: (ward) => predict([], { path: `/predict?${'a&'.repeat(600)}key=${ward.testKeys.right}` }),
    says: missing,
  },
  {
    name: '15 the key in a cookie only',
    request: right((key) => [['Cookie', `key=${key}; X-API-Key=${key}; modelward_session=${key}`]]),
    says: missing,
  },
  {
    name: '16 the key as a bearer token, where that is off',
    request: right((key) => [['Authorization', `Bearer ${key}`]]),
    says: misplaced,
  },
  {
    name: '16 as the challenge has it',
    request: right((key) => [['Authorization', `apiKEY  ${key} `]]),
    says: admitted,
  },
  {
    name: '16 a wrong key, as the challenge has it',
    request: right(() => [['Authorization', 'ApiKey wrong']]),
    says: invalid,
  },
  {
    name: '16 the word of the challenge alone',
    request: right(() => [['Authorization', 'ApiKey ']]),
    says: missing,
  },
  {
    name: '16 as the challenge has it, and by the header',
    request: right((key) => [keyHeader(key), ['Authorization', `ApiKey ${key}`]]),
    says: ambiguous,
  },
  ...(
    [
      ['another authorization, then the key', (key) => ['Basic abc', `ApiKey ${key}`]],
      ['the key, then another authorization', (key) => [`ApiKey ${key}`, 'Bearer abc']],
      ['a blank line, then the key', (key) => ['', `ApiKey ${key}`]],
    ] as [string, (key: string) => string[]][]
  ).map(
    ([name, lines]): Row => ({
      name: `16 as the challenge has it: ${name}`,
      request: right((key) => lines(key).map((line) => ['Authorization', line] as const)),
      says: ambiguous,
    }),
  ),
  {
    name: '16 a right key, and another bearer token, where that is off',
    request: right((key) => [keyHeader(key), ['Authorization', 'Bearer other']]),
    says: admitted,
  },
  {
    name: '20 a wrong key before a malformed body',
    request: () => predict([keyHeader('wrong')], { body: '{"text": ' }),
    says: invalid,
  },
  {
    name: '20 no key before a malformed body',
    request: () => predict([], { body: '{"text": ' }),
    says: missing,
  },
  {
    name: '21 no key before a body that is not UTF-8',
    request: () => predict([], { body: Buffer.from([0x7b, 0xff, 0xfe]) }),
    says: missing,
  },
]

/** Row 16, where the deployment takes a key by either scheme. */
export const bearerRows: readonly Row[] = [
  { name: '16 by the header', request: right((key) => [keyHeader(key)]), says: admitted },
  {
    name: '16 as a bearer token',
    request: right((key) => [['Authorization', `Bearer ${key}`]]),
    says: admitted,
  },
  {
    name: '16 in another spelling',
    request: right((key) => [['authorization', `bEARER  ${key} `]]),
    says: admitted,
  },
  {
    name: '16 a wrong bearer token',
    request: right(() => [['Authorization', 'Bearer wrong']]),
    says: invalid,
  },
  {
    name: '16 both, the same',
    request: right((key) => [keyHeader(key), ['Authorization', `Bearer ${key}`]]),
    says: admitted,
  },
  {
    name: '16 both, and different',
    request: right((key) => [keyHeader('other'), ['Authorization', `Bearer ${key}`]]),
    says: ambiguous,
  },
  {
    name: '16 the token twice',
    request: right((key) => [
      ['Authorization', `Bearer ${key}`],
      ['Authorization', `Bearer ${key}`],
    ]),
    says: ambiguous,
  },
  ...(
    [
      ['another authorization, then the token', (key) => ['Basic abc', `Bearer ${key}`]],
      ['the token, then another authorization', (key) => [`Bearer ${key}`, 'Basic abc']],
      ['a blank line, then the token', (key) => ['', `Bearer ${key}`]],
      ['the token, then a blank line', (key) => [`Bearer ${key}`, '']],
      ['the word alone, then the token', (key) => ['Bearer', `Bearer ${key}`]],
    ] as [string, (key: string) => string[]][]
  ).map(
    ([name, lines]): Row => ({
      name: `16 ${name}`,
      request: right((key) => lines(key).map((line) => ['Authorization', line] as const)),
      says: ambiguous,
    }),
  ),
  {
    name: '16 two lines, and the key by its header',
    request: right((key) => [keyHeader(key), ['Authorization', 'Basic a'], ['Authorization', 'Basic b']]),
    says: ambiguous,
  },
  {
    name: '16 one authorization with parameters, and the key by its header',
    request: right((key) => [keyHeader(key), ['Authorization', 'Digest a="1, 2", b=3']]),
    says: admitted,
  },
  {
    name: '16 another authorization',
    request: right((key) => [['Authorization', `Basic ${key}`]]),
    says: missing,
  },
  { name: '16 the word alone', request: right(() => [['Authorization', 'Bearer ']]), says: missing },
  { name: '16 neither: a challenge for each', request: right(() => []), says: missing },
]

/** Row 2, where the deployment chose 401. */
export const strictRows: readonly Row[] = [
  {
    name: '2 a wrong key: 401 with a challenge',
    request: () => predict([keyHeader('wrong')]),
    says: { ...invalid, status: 401 },
  },
  { name: '3 no key', request: () => predict([]), says: missing },
  { name: '1 the right key', request: right((key) => [keyHeader(key)]), says: admitted },
]
