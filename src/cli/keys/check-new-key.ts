import { checkKeyFields } from '../../keys/key-fields.ts'
import type { NewKey } from '../../keys/new-key.ts'

/**
 * Checks a key before the data folder is opened, so that a typing error leaves no new folder
 * behind.
 *
 * @throws Refusal `input_invalid` with every fault
 */
export function checkNewKey(key: NewKey): void {
  const { name, scopes = [], metadata = {}, addresses = [], limits = null } = key
  const { notBefore = null, expiresAt = null } = key
  // A key without an owner is its own, and an id is an owner's name.
  const owner = key.owner ?? 'itself'
  checkKeyFields({ name, owner, scopes, metadata, addresses, limits, notBefore, expiresAt }, ['key'])
}
