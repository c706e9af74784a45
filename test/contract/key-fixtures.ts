import { createHash } from 'node:crypto'
import type { StoredAnswer } from '../../src/idempotency/idempotency-store.ts'
import type { KeyRecord } from '../../src/keys/record/key-record.ts'
import type { OwnerRecord } from '../../src/keys/record/owner-record.ts'
import type { KeyPage, KeyQuery, KeyStore, KeyUse } from '../../src/keys/store/key-store.ts'
import { parsePeppers } from '../../src/secrets/peppers.ts'

/** The peppers of stores in tests: version 1, 32 times the byte 7. */
export const peppers = parsePeppers(`1:${Buffer.alloc(32, 7).toString('base64url')}`, 'the test')

/** A key id that stands for a number: 12 base62 characters. */
export function idOf(number: number): string {
  return `k${String(number).padStart(11, '0')}`
}

/** 32 bytes that stand for a text. */
export function digestOf(text: string): Uint8Array {
  return createHash('sha256').update(text).digest()
}

/** A plain key with these fields. Its secret is derived from its id. */
export function keyOf(id: string, fields: Partial<KeyRecord> = {}): KeyRecord {
  return {
    id,
    version: 1,
    name: `name of ${id}`,
    owner: id,
    environment: 'live',
    scopes: ['predict'],
    metadata: {},
    addresses: [],
    limits: null,
    secrets: [{ digest: digestOf(id), pepperVersion: 1, createdAt: 1_000, endsAt: null }],
    imported: false,
    createdAt: 1_000,
    updatedAt: 1_000,
    notBefore: null,
    expiresAt: null,
    disabledAt: null,
    isDisabledByOwner: false,
    revokedAt: null,
    revokedReason: null,
    lastUsedAt: null,
    ...fields,
  }
}

/** A plain owner with these fields. */
export function ownerOf(owner: string, fields: Partial<OwnerRecord> = {}): OwnerRecord {
  return { owner, version: 1, limits: [], createdAt: 1_000, updatedAt: 1_000, ...fields }
}

/** A plain answer with these fields. */
export function answerOf(id: string, fields: Partial<StoredAnswer> = {}): StoredAnswer {
  return { id, requestDigest: 'digest', sealed: new Uint8Array([1, 2, 3]), expiresAt: 10_000, ...fields }
}

/** Adds many keys, a hundred in a statement: on a busy machine one of a thousand takes too long. */
export async function addKeys(store: KeyStore, keys: readonly KeyRecord[]): Promise<void> {
  for (let from = 0; from < keys.length; from += 100) await store.addKeys(keys.slice(from, from + 100))
}

/** Adds keys, used when their records say. */
export async function addUsedKeys(store: KeyStore, keys: readonly KeyRecord[]): Promise<void> {
  await addKeys(store, keys)
  const uses = keys.map(({ id, lastUsedAt }) => ({ keyId: id, at: lastUsedAt }))
  await store.noteUses(uses.filter((use): use is KeyUse => use.at !== null))
}

/** Ids of all pages, as a client that follows `after` gets them. */
export async function listAllIds(store: KeyStore, query: Omit<KeyQuery, 'after'>): Promise<string[]> {
  const ids: string[] = []
  let page: KeyPage
  let after: KeyQuery['after']
  do {
    page = await store.listKeys(after === undefined ? query : { ...query, after })
    ids.push(...page.keys.map((key) => key.id))
    const last = page.keys.at(-1)
    if (last !== undefined) after = { value: sortValue(last, query.sort), id: last.id }
  } while (page.hasMore)
  return ids
}

/** What a key is sorted by. */
export function sortValue(key: KeyRecord, sort: KeyQuery['sort']): string | number | null {
  switch (sort) {
    case 'created_at':
      return key.createdAt
    case 'updated_at':
      return key.updatedAt
    case 'expires_at':
      return key.expiresAt
    case 'last_used_at':
      return key.lastUsedAt
    case 'name':
      return key.name
    case 'id':
      return key.id
  }
}

/** Bytes as hex, so that a Buffer and a Uint8Array of the same content are equal. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]))
}

/** A fresh, empty store and how to end it. Each test has its own. */
export interface OpenedStore {
  readonly store: KeyStore
  readonly dispose: () => Promise<void>
}

/** Opens an empty store whose clock is the given one. */
export type OpenStore = (clock: () => number) => Promise<OpenedStore>

/** The store under test, and how to move its clock. */
export type Get = () => { readonly store: KeyStore; readonly moveTo: (time: number) => void }
