import { type Caller, callerOf } from '../core/caller.ts'
import type { KeyRecord, SecretRecord } from '../core/key-record.ts'
import { adminScope } from '../core/scope.ts'
import { type AddressList, createAddressList } from './address-list.ts'

/** A key whose secret has been verified, made ready for the checks of every later request. */
export interface VerifiedKey {
  readonly record: KeyRecord
  /** The one of the key's secrets that was presented. */
  readonly secret: SecretRecord
  readonly caller: Caller
  readonly isAdmin: boolean
  readonly addresses: AddressList | undefined
}

/** A verified key, from the record and the secret that matched. */
export function createVerifiedKey(record: KeyRecord, secret: SecretRecord): VerifiedKey {
  return {
    record,
    secret,
    caller: callerOf(record),
    isAdmin: record.scopes.includes(adminScope),
    addresses: createAddressList(record.addresses),
  }
}
