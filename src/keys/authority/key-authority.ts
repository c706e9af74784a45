import type { KeyChangeEvent } from '../fields/key-change.ts'
import type { KeyFields } from '../fields/key-fields.ts'
import type { NewKey } from '../fields/new-key.ts'
import type { KeyRecord, SecretRecord } from '../record/key-record.ts'

/** The key that asks for something of keys. */
export interface KeyAsker {
  /** As it is stored now. */
  readonly key: KeyRecord
  /** The one of its secrets that was presented; undefined where it ended for good meanwhile. */
  readonly secret: SecretRecord | undefined
}

/**
 * What the key that asks may do with keys: the one place of the rule that no key gives, or comes
 * by, more than it has itself. Each check runs on the record that the change is made from, and the
 * store refuses the change if that is not the stored one any more.
 *
 * @throws Refusal `scope_missing`, naming the scope or the field; `key_conflict`
 */
export interface KeyAuthority {
  /** The key that asks. */
  readonly asker: KeyAsker
  /** The owner whose keys alone are there for the asker; undefined: everyone's are. */
  readonly owner: string | undefined
  /** Whether idempotency keys are the asker's own: another key of its owner may reach further. */
  readonly isApart: boolean
  /** Most keys that are not revoked, of an owner that makes its own. */
  readonly ownerKeysMax: number | undefined
  /** Whether its owner must keep an active key that manages keys. */
  readonly keepsOwnerKey: boolean
  /** A new key with what the asker leaves out; refuses fields that it may not set. */
  readonly readNew: (key: NewKey) => NewKey
  /** Refuses fields that the asker may not change. */
  readonly readFields: (fields: Partial<KeyFields>) => void
  /** The fields as they are set on this key. */
  readonly fieldsFor: (record: KeyRecord, fields: Partial<KeyFields>) => Partial<KeyFields>
  /** Refuses a key that the asker may not do this to, or whose text it may not have. */
  readonly checkTarget: (event: KeyChangeEvent | 'key.limits_reset', record: KeyRecord) => void
  /** Refuses what a key would become by it. */
  readonly checkResult: (event: KeyChangeEvent, before: KeyRecord | undefined, after: KeyRecord) => void
}
