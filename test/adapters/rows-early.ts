import { keyHeader } from '../parity/ask.ts'
import { early } from './app-routes.ts'
import type { Row, Saying } from './describe-rows.ts'
import { predict } from './rows-key.ts'

/** A web-standard handler has no middleware, and the server has none of a user's. */
const alone = ['the server', 'a web-standard handler']

function withEarly(name: string, request: Row['request'], says: Saying): Row {
  return {
    name,
    request,
    says: { ...says, headers: { [early.name]: early.value } },
    butSays: Object.fromEntries(alone.map((adapter) => [adapter, says])),
  }
}

/** Each kind of refusal, of the app's guard and of a route's. */
export const earlyRows: readonly Row[] = [
  withEarly('no key', () => predict([]), { status: 401, code: 'key_missing' }),
  withEarly('a wrong key', () => predict([keyHeader('wrong')]), { status: 403, code: 'key_invalid' }),
  withEarly('two keys', () => predict([keyHeader('a'), keyHeader('b')]), {
    status: 400,
    code: 'key_ambiguous',
  }),
  withEarly("a route's scope", (ward) => get('/either', ward.testKeys.right), {
    status: 403,
    code: 'scope_missing',
  }),
  withEarly("a route's check", (ward) => get('/beta', ward.testKeys.right), {
    status: 403,
    code: 'forbidden',
  }),
  withEarly('what a handler refuses', (ward) => get('/refuses', ward.testKeys.right), {
    status: 404,
    code: 'not_found',
    headers: { 'x-hint': 'sentiment' },
  }),
  withEarly('what fails in a handler', (ward) => get('/fails', ward.testKeys.right), {
    status: 502,
    code: 'model_failed',
  }),
  withEarly(
    'a limit used up',
    async (ward, ask) => {
      const { text } = await ward.keys.create({ name: 'k', limits: ['1/min'] })
      await ask(get('/any', text))
      return get('/any', text)
    },
    { status: 429, code: 'rate_limited' },
  ),
  withEarly('an answer of a handler', (ward) => get('/any', ward.testKeys.right), {
    status: 200,
    body: 'in',
  }),
]

function get(path: string, key: string) {
  return { method: 'GET', path, headers: [keyHeader(key)] }
}
