import type { KeyRecord } from '../record/key-record.ts'
import { isKeyId } from '../record/key-text.ts'
import type { KeyQuery, KeySort } from './key-store.ts'

/** Where a page ended. */
export type KeyCursor = NonNullable<KeyQuery['after']>

const sortValues: Readonly<Record<KeySort, (key: KeyRecord) => KeyCursor['value']>> = {
  created_at: (key) => key.createdAt,
  updated_at: (key) => key.updatedAt,
  expires_at: (key) => key.expiresAt,
  last_used_at: (key) => key.lastUsedAt,
  name: (key) => key.name,
  id: (key) => key.id,
}

/** The value that this order sorts a key by. */
export function sortValueOf(key: KeyRecord, sort: KeySort): KeyCursor['value'] {
  return sortValues[sort](key)
}

/** The cursor after the last key of a page, opaque to clients. It names the order it belongs to. */
export function formatKeyCursor(last: KeyRecord, sort: KeySort): string {
  return Buffer.from(JSON.stringify([sort, sortValueOf(last, sort), last.id])).toString('base64url')
}

/** Reads a cursor of this order; undefined for any other text. */
export function parseKeyCursor(text: string, sort: KeySort): KeyCursor | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    return undefined
  }
  if (!Array.isArray(parsed) || parsed.length !== 3 || parsed[0] !== sort) return undefined
  const [, value, id] = parsed as readonly unknown[]
  const isText = sort === 'name' || sort === 'id'
  const mayBeNull = sort === 'expires_at' || sort === 'last_used_at'
  const fits = typeof value === (isText ? 'string' : 'number') || (mayBeNull && value === null)
  if (!fits || typeof id !== 'string' || !isKeyId(id)) return undefined
  return { value: value as KeyCursor['value'], id }
}

/** The cursor after a page of owners, opaque to clients. */
export function formatOwnerCursor(owner: string): string {
  return Buffer.from(JSON.stringify(['owner', owner])).toString('base64url')
}

/** The owner that the page ended with; undefined for any other text. */
export function parseOwnerCursor(text: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (!Array.isArray(parsed) || parsed.length !== 2 || parsed[0] !== 'owner') return undefined
    return typeof parsed[1] === 'string' ? parsed[1] : undefined
  } catch {
    return undefined
  }
}
