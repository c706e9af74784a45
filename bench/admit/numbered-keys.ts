import { hash } from 'node:crypto'
import { drawBase62 } from '../../src/core/base62.ts'
import { createSecretRecord } from '../../src/keys/fields/new-key.ts'
import type { KeyRecord } from '../../src/keys/record/key-record.ts'
import { formatKey, type KeyFormat, keyIdLength, keySecretLength } from '../../src/keys/record/key-text.ts'
import type { Peppers } from '../../src/secrets/peppers.ts'

/**
 * Keys of which each follows from its number, so that a million of them need not be kept to be
 * presented again.
 */
export interface NumberedKeys {
  readonly text: (number: number) => string
  /** The right id and checksum with a secret that is not the key's. */
  readonly wrongText: (number: number) => string
  readonly record: (number: number) => KeyRecord
}

export function createNumberedKeys(format: KeyFormat, peppers: Peppers): NumberedKeys {
  const draw = (length: number, purpose: string, number: number) => {
    let round = 0
    return drawBase62(length, (size) => {
      round += 1
      return hash('sha512', `${purpose} ${number} ${round}`, 'buffer').subarray(0, size)
    })
  }
  const idOf = (number: number) => draw(keyIdLength, 'id', number)
  const textOf = (number: number, purpose: string) =>
    formatKey(format, { id: idOf(number), secret: draw(keySecretLength, purpose, number) })
  const text = (number: number) => textOf(number, 'secret')
  return {
    text,
    wrongText: (number) => textOf(number, 'wrong secret'),
    record: (number) => recordOf(idOf(number), text(number), format, peppers),
  }
}

function recordOf(id: string, text: string, format: KeyFormat, peppers: Peppers): KeyRecord {
  const now = Date.now()
  return {
    id,
    version: 1,
    name: `Key ${id}`,
    owner: `owner-${id.slice(0, 2)}`,
    environment: format.environment,
    scopes: ['predict'],
    metadata: {},
    addresses: [],
    limits: null,
    secrets: [createSecretRecord(hash('sha256', text), peppers, now)],
    imported: false,
    createdAt: now,
    updatedAt: now,
    notBefore: null,
    expiresAt: null,
    disabledAt: null,
    isDisabledByOwner: false,
    revokedAt: null,
    revokedReason: null,
    lastUsedAt: null,
  }
}
