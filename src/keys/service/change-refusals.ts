import { Refusal } from '../../core/refusal.ts'
import type { KeyRecord } from '../record/key-record.ts'

/** The refusal for an id that no key has, and for one that is not there for who asks. */
export function unknownKey(): Refusal {
  return new Refusal('not_found', 'No key has this id; list the keys to find it.')
}

/** The refusal of a change that lost every race. */
export function changedMeanwhile(): Refusal {
  return new Refusal('key_conflict', 'The key was changed by another request at the same time; try again.')
}

/** @throws Refusal `key_conflict` */
export function refuseRevoked(record: KeyRecord): void {
  if (record.revokedAt !== null) throw new Refusal('key_conflict', 'The key is revoked, and that is final.')
}
