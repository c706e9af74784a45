import type { NewKey } from '../../src/keys/new-key.ts'
import { keyHeader } from '../parity/ask.ts'
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
