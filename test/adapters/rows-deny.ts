import { keyHeader } from '../parity/ask.ts'
import type { RawRequest } from '../parity/raw-http.ts'
import type { KeyName, Row } from './describe-rows.ts'
import { admitted, invalid, missing, predict } from './rows-key.ts'

function get(path: string, headers: RawRequest['headers'] = []): RawRequest {
  return { method: 'GET', path, headers }
}
const keyed =
  (path: string, key: KeyName = 'right'): Row['request'] =>
  (ward) =>
    get(path, [keyHeader(ward.testKeys[key])])

/** `@hono/node-server` refuses request targets that it does not read, before any app is asked. */
const unread: NonNullable<Row['butSays']> = { 'Hono on Node': { status: 400 } }

const upgrade = [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Version', '13'],
  ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
] as const

/** Rows 30 to 35: a route without a declaration asks for a key. */
const denied: readonly Row[] = [
  ...[
    '/unthought',
    '/sub/inner',
    '/sub',
    '/sub/none',
    '/none',
    '/',
    '/any',
    '/who',
    '/refuses',
    '/fails',
  ].map((path): Row => ({ name: `30, 33, 34 GET ${path}, no key`, request: () => get(path), says: missing })),
  ...['/unthought', '/sub/inner'].map(
    (path): Row => ({
      name: `34 GET ${path}, right key`,
      request: keyed(path),
      says: { status: 200, body: 'in' },
    }),
  ),
  {
    name: '30 GET /none, right key',
    request: keyed('/none'),
    says: { status: 404 },
    butSays: { 'the server': { status: 404, code: 'not_found' } },
  },
  ...['PUT', 'DELETE', 'PATCH', 'OPTIONS'].map(
    (method): Row => ({ name: `30 ${method} /predict, no key`, request: () => ({ method }), says: missing }),
  ),
  { name: '30 GET /predict, no key', request: () => get('/predict'), says: missing },
  {
    name: '30 a preflight of another site, no key',
    request: () => ({
      method: 'OPTIONS',
      headers: [
        ['Origin', 'https://evil.example'],
        ['Access-Control-Request-Method', 'POST'],
      ],
    }),
    says: missing,
  },
  {
    name: '30 OPTIONS *, no key',
    request: () => ({ method: 'OPTIONS', path: '*' }),
    says: missing,
    isRaw: true,
    butSays: unread,
  },
  { name: '33 an upgrade, no key', request: () => get('/unthought', upgrade), says: missing },
  { name: '33 an upgrade of an unknown path, no key', request: () => get('/none', upgrade), says: missing },
  {
    name: '33 an upgrade, wrong key',
    request: () => get('/unthought', [...upgrade, keyHeader('wrong')]),
    says: invalid,
  },
  { name: '46 /predict/, no key', request: () => predict([], { path: '/predict/' }), says: missing },
]

/** Row 32, and what is nearly it. */
const open: readonly Row[] = [
  {
    name: '32 GET /health, no key',
    request: () => get('/health'),
    says: { status: 200, body: { status: 'ok' } },
  },
  { name: '32 GET /health?x, no key', request: () => get('/health?x=1&y'), says: admitted },
  { name: '32 GET /health, wrong key', request: () => get('/health', [keyHeader('wrong')]), says: admitted },
  {
    name: '32 GET /health, two keys',
    request: () => get('/health', [keyHeader('wrong'), keyHeader('other')]),
    says: admitted,
  },
  ...[
    '/health/',
    '/HEALTH',
    '/Health',
    '//health',
    '/health//',
    '/health%2F',
    '/health;x',
    '/health.json',
    '/healthy',
    '/xhealth',
    '/health%00',
  ].map((path): Row => ({ name: `32 GET ${path}, no key`, request: () => get(path), says: missing })),
  ...['/./health', '/x/../health', '/health/.', '/health\\', '/\\health'].map(
    (path): Row => ({
      name: `32 GET ${path}, no key`,
      request: () => get(path),
      says: missing,
      isRaw: true,
      ...(path.includes('\\') && { butSays: unread }),
    }),
  ),
  ...['/%68ealth', '/he%61lth'].map(
    (path): Row => ({
      name: `32 GET ${path}, no key`,
      request: () => get(path),
      says: missing,
      routeSays: admitted,
    }),
  ),
  ...['POST', 'PUT', 'OPTIONS'].map(
    (method): Row => ({
      name: `32 ${method} /health, no key`,
      request: () => ({ method, path: '/health' }),
      says: missing,
    }),
  ),
]

/** What handlers refuse, and what breaks in them. */
const thrown: readonly Row[] = [
  {
    name: '43 a refusal by a handler',
    request: keyed('/refuses'),
    says: { status: 404, code: 'not_found', detail: 'no such model' },
  },
  {
    name: '43 a fault in a handler',
    request: keyed('/fails'),
    says: { status: 502, code: 'model_failed', detail: 'The model failed on this input.' },
  },
  {
    name: '43 a refusal by a handler, of another copy of the package',
    request: keyed('/refuses-by-a-copy'),
    says: { status: 404, code: 'not_found', detail: 'no such model', headers: { 'x-hint': 'sentiment' } },
  },
  {
    name: '43 a fault in a handler, of another copy of the package',
    request: keyed('/fails-by-a-copy'),
    says: { status: 502, code: 'model_failed', detail: 'The model failed on this input.' },
  },
  {
    name: '43 a refusal by the handler of a public path',
    request: () => get('/open/refuses'),
    says: { status: 403, code: 'forbidden', detail: 'closed on Sundays' },
  },
  {
    name: '43 a fault in the handler of a public path',
    request: () => get('/open/fails'),
    says: { status: 504, code: 'model_timeout' },
  },
  {
    name: 'a refusal by a route’s own check',
    request: keyed('/beta'),
    says: { status: 403, code: 'forbidden', detail: 'beta only' },
  },
  {
    name: 'a refusal by a route’s own check, of another copy of the package',
    request: keyed('/beta-of-a-copy'),
    says: { status: 403, code: 'forbidden', detail: 'beta only' },
  },
  {
    name: 'a check is not asked about a wrong key',
    request: () => get('/beta', [keyHeader('wrong')]),
    says: invalid,
  },
  { name: 'a check is not asked about an anonymous caller', request: () => get('/beta'), says: missing },
  {
    name: 'a handler reads who is calling where no guard ran',
    request: () => get('/open/who'),
    says: { status: 500 },
    butSays: { 'the server': { status: 500, code: 'internal' } },
  },
  { name: 'a handler reads who is calling', request: keyed('/who'), says: { status: 200, body: 'acme' } },
]

export const denyRows: readonly Row[] = [...denied, ...open, ...thrown]
