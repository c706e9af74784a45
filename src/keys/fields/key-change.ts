import { isDeepStrictEqual } from 'node:util'
import { type Change, withoutKeys } from '../../ledger/write/change-recorder.ts'
import type { KeyRecord } from '../record/key-record.ts'
import { keyFieldNames } from './key-fields.ts'

export type KeyChangeEvent = Extract<Change['event'], `key.${string}`>

/** A change to a key, as it is recorded: its id and owner, never a secret or a digest. */
export function keyChange(
  event: KeyChangeEvent,
  { id, owner }: KeyRecord,
  detail?: Change['detail'],
): Change {
  return { event, keyId: id, owner, ...(detail && { detail }) }
}

/** Details of a change: the names of changed fields without their values, or the reason. */
export function detailOf(event: KeyChangeEvent, before: KeyRecord, after: KeyRecord): Change['detail'] {
  if (event === 'key.revoked')
    return after.revokedReason === null ? undefined : { reason: withoutKeys(after.revokedReason) }
  if (event !== 'key.updated') return undefined
  return { fields: keyFieldNames.filter((field) => !isDeepStrictEqual(before[field], after[field])) }
}
