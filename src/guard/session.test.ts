import { createSecretKey } from 'node:crypto'
import { expect, test } from 'vitest'
import type { RequestHead } from '../core/request-head.ts'
import type { KeyRecord, SecretRecord } from '../keys/record/key-record.ts'
import { createSessions, sessionCookie, sessionMs } from './session.ts'

const secret: SecretRecord = { digest: Buffer.alloc(32, 1), pepperVersion: 1, createdAt: 0, endsAt: null }
const other: SecretRecord = { ...secret, digest: Buffer.alloc(32, 2) }
// All of a record that a session reads.
const record = { id: '7Qm2xT0bKc9Z', secrets: [secret, other] } as unknown as KeyRecord
const sessions = createSessions(createSecretKey(Buffer.alloc(32, 9)))

function withCookie(...tokens: readonly string[]): RequestHead {
  const cookie = tokens.map((token) => `${sessionCookie}=${token}`).join('; ')
  return {
    headerValues: (name) => (name === 'cookie' ? [cookie] : []),
    queryValues: () => [],
    address: undefined,
  }
}

const token = sessions.issue(record, secret, 1_000)

test('a session says which key signed in, by which of its secrets', () => {
  const claim = sessions.read(withCookie(token), 1_000)
  expect(claim?.keyId).toBe(record.id)
  expect(claim && sessions.findSecret(record, claim)).toBe(secret)
})

test('a session lasts 12 hours to the millisecond', () => {
  expect(sessions.read(withCookie(token), 1_000 + sessionMs - 1)).toBeDefined()
  expect(sessions.read(withCookie(token), 1_000 + sessionMs)).toBeUndefined()
})

test('a session ends with its secret', () => {
  const claim = sessions.read(withCookie(token), 1_000)
  expect(claim && sessions.findSecret({ ...record, secrets: [other] }, claim)).toBeUndefined()
})

test('a changed, cut or foreign token is no session', () => {
  for (let at = 0; at < token.length; at += 1) {
    const swapped = token[at] === 'A' ? 'B' : 'A'
    const changed = token.slice(0, at) + swapped + token.slice(at + 1)
    // The last character of 32 bytes in base64url carries two bits that mean nothing.
    if (at < token.length - 1) expect(sessions.read(withCookie(changed), 1_000)).toBeUndefined()
    expect(sessions.read(withCookie(token.slice(0, at)), 1_000)).toBeUndefined()
  }
  const foreign = createSessions(createSecretKey(Buffer.alloc(32, 8))).issue(record, secret, 1_000)
  expect(sessions.read(withCookie(foreign), 1_000)).toBeUndefined()
})

test('two session cookies count as no session: either could be meant', () => {
  expect(sessions.read(withCookie(token, token), 1_000)).toBeUndefined()
})

test('the cookie holds neither the secret nor its digest', () => {
  for (const encoding of ['hex', 'base64', 'base64url'] as const)
    expect(token).not.toContain(Buffer.from(secret.digest).toString(encoding).slice(0, 16))
})
