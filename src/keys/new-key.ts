import { hash, randomBytes } from 'node:crypto'
import { drawBase62 } from '../core/base62.ts'
import { Fault } from '../core/fault.ts'
import type { Peppers } from '../secrets/peppers.ts'
import type { SecretRecord } from './key-record.ts'
import { formatKey, type KeyFormat, keyIdLength, keySecretLength } from './key-text.ts'

/** A secret just drawn: the text to hand out, and what is kept of it. */
export interface DrawnKey {
  readonly text: string
  readonly secret: SecretRecord
}

/** A new public id: 12 base62 characters, 71 bits; the store refuses the one that is taken. */
export function drawKeyId(): string {
  return drawBase62(keyIdLength, randomBytes)
}

/** A new key text for this id, 256 bits from the system's generator, with its digest under the current pepper. */
export function drawKey(format: KeyFormat, id: string, peppers: Peppers, now: number): DrawnKey {
  const text = formatKey(format, { id, secret: drawBase62(keySecretLength, randomBytes) })
  return { text, secret: createSecretRecord(hash('sha256', text), peppers, now) }
}

/** What is kept of a key's text, given its SHA-256 in hex: the digest under the current pepper. */
export function createSecretRecord(sha256: string, peppers: Peppers, createdAt: number): SecretRecord {
  const digest = peppers.digest(sha256, peppers.current)
  if (digest === undefined) throw new Fault('internal', 'the current pepper is not there')
  return { digest, pepperVersion: peppers.current, createdAt, endsAt: null }
}
