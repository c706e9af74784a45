import type { NewKey } from '../../src/keys/fields/new-key.ts'
import { keyHeader } from '../parity/ask.ts'
import type { RawRequest } from '../parity/raw-http.ts'
import { headOf } from '../support/open-test-ward.ts'
import type { Row, Saying, TableWard } from './describe-rows.ts'
import { admitted, invalid, missing, predict } from './rows-key.ts'

/**
 * A request with a key that is made for it, and has been used once; each row has an owner of its
 * own.
 */
function usedOnce(
  owner: string,
  limits: readonly string[],
  ownerLimits: readonly string[] = [],
): Row['request'] {
  return async (ward) => {
    const key = await makeKey(ward, { owner, limits })
    const other = await makeKey(ward, { owner, limits: [] })
    await ward.owners.set(owner, ownerLimits)
    for (const text of ownerLimits.length > 0 ? [other] : [key]) await use(ward, text)
    return predict([keyHeader(key)])
  }
}

async function makeKey(ward: TableWard, key: Omit<NewKey, 'name'>): Promise<string> {
  return (await ward.keys.create({ ...key, name: 'k' })).text
}

/** A request that is still under way. */
async function use(ward: TableWard, key: string): Promise<void> {
  await ward.admit(headOf({ 'x-api-key': key }), { scope: 'predict' })
}

const refused = (code: string, detail: string): Saying => ({ status: 429, code, detail })

/** Row 37, and beyond: each refusal's body and headers are held against the server's. */
export const limitRows: readonly Row[] = [
  {
    name: "37 a key's limit with room",
    request: usedOnce('room', ['100/min']),
    says: admitted,
  },
  {
    name: "37 a key's limit used up",
    request: usedOnce('key', ['1/min']),
    says: refused('rate_limited', 'The limit of this API key, 1/min, is used up; try again in 60 s.'),
  },
  {
    name: '37 two limits used up: the one that passes last is told',
    request: usedOnce('two', ['1/min', '1/h']),
    says: refused('rate_limited', 'The limit of this API key, 1/h, is used up; try again in 3600 s.'),
  },
  {
    name: "a limit of the owner's, used up by another of its keys",
    request: usedOnce('shared', [], ['1/min']),
    says: refused('rate_limited', 'The limit of its owner, 1/min, is used up; try again in 60 s.'),
  },
  {
    name: "the calendar's day used up",
    request: usedOnce('calendar', ['1/calendar day']),
    says: { status: 429, code: 'quota_exhausted' },
  },
  {
    name: 'as many under way as there may be',
    request: usedOnce('at once', ['1 concurrent']),
    says: refused(
      'concurrency_limited',
      'The limit of this API key, 1 concurrent, is used up; try again when a request has ended.',
    ),
  },
  { name: 'a limit in shadow used up', request: usedOnce('shadow', ['shadow 1/min']), says: admitted },
  {
    name: 'a key with a limit used up, without the scope: the guard of the app has no scope to ask for',
    request: async (ward) => {
      const { text } = await ward.keys.create({ name: 'k', scopes: ['read'], limits: ['1/min'] })
      await ward.admit(headOf({ 'x-api-key': text }), {})
      return predict([keyHeader(text)])
    },
    says: { status: 429, code: 'rate_limited' },
    routeSays: { status: 403, code: 'scope_missing' },
    butSays: { 'the server': { status: 403, code: 'scope_missing' } },
  },
]

/**
 * A request that would find its key's limit of one used up, had anything before it used it:
 * refused three times over by the guard of `refusing`, for which the key lacks what it asks for.
 */
function usedNothing(refusing: RawRequest): Row['request'] {
  return async (ward, ask) => {
    const { text } = await ward.keys.create({ name: 'k', scopes: ['read'], limits: ['1/min'] })
    const headers = [...(refusing.headers ?? []), keyHeader(text)]
    for (let times = 0; times < 3; times += 1) {
      const { status } = await ask({ ...refusing, headers })
      if (status !== 403) throw new Error(`expected a refusal, got ${status}`)
    }
    return { method: 'GET', path: '/any', headers: [keyHeader(text)] }
  }
}

/** The guard of the app has admitted what the guard of a route refuses. */
export const twoGuardRows: readonly Row[] = (
  [
    ['its scope', predict([])],
    ['one of its scopes', { method: 'GET', path: '/either' }],
    ['its check', { method: 'GET', path: '/beta' }],
    ['a demand that it needs', { method: 'GET', path: '/needy' }],
  ] as [string, RawRequest][]
).map(
  ([name, refusing]): Row => ({
    name: `what a route's guard refuses for ${name} has used nothing`,
    request: usedNothing(refusing),
    says: { status: 200, body: 'in' },
  }),
)

/** Every guarded answer says what is left; they are held against the server's. */
export const limitHeaderRows: readonly Row[] = (
  [
    ['a model', predict([]), { status: 200 }],
    ['a route', { method: 'GET', path: '/any' }, { status: 200 }],
    ['what a handler refuses', { method: 'GET', path: '/refuses' }, { status: 404, code: 'not_found' }],
    ['what fails in a handler', { method: 'GET', path: '/fails' }, { status: 502, code: 'model_failed' }],
  ] as [string, RawRequest, Saying][]
).map(
  ([name, request, says]): Row => ({
    name: `what is left after ${name}`,
    async request(ward) {
      const text = await makeKey(ward, { limits: ['3/min', '5/calendar day'] })
      return { ...request, headers: [...(request.headers ?? []), keyHeader(text)] }
    },
    says: { ...says, headers: { 'x-ratelimit-remaining-requests': '2' } },
  }),
)

/** Presents wrong keys from the address that the table's requests come from. */
async function guess(ward: TableWard, times: number): Promise<void> {
  for (let guesses = 0; guesses < times; guesses += 1) await ward.admit(headOf({ 'x-api-key': 'wrong' }))
}

/** 2 wrong keys a minute for each address. Each row begins in a minute of its own. */
export const badKeyRows: readonly Row[] = [
  {
    name: '38 a wrong key, where fewer were wrong',
    request: (ward) => {
      ward.advance('1min')
      return predict([keyHeader('wrong')])
    },
    says: invalid,
  },
  {
    name: '38 a wrong key, where too many were wrong',
    request: async (ward) => {
      ward.advance('1min')
      await guess(ward, 2)
      return predict([keyHeader('wrong')])
    },
    says: { status: 429, code: 'too_many_bad_keys' },
  },
  {
    name: '38 the right key, where too many were wrong',
    request: async (ward) => {
      ward.advance('1min')
      await guess(ward, 3)
      return predict([keyHeader(ward.testKeys.right)])
    },
    says: admitted,
  },
  {
    name: '38 no key, where too many were wrong',
    request: async (ward) => {
      ward.advance('1min')
      await guess(ward, 3)
      return predict([])
    },
    says: missing,
  },
]
