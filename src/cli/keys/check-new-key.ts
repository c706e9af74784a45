import { keyFieldErrors, namedOwnerErrors, refuseErrors } from '../../keys/fields/key-fields.ts'
import { readKeyTimes } from '../../keys/fields/key-times.ts'
import type { NewKey } from '../../keys/fields/new-key.ts'

/**
 * Checks a key before the data folder is opened, so that a typing error leaves no new folder
 * behind.
 *
 * @param now milliseconds since the epoch
 * @throws Refusal `input_invalid` with every fault
 */
export function checkNewKey(key: NewKey, now: number): void {
  const { name, scopes = [], metadata = {}, addresses = [], limits = null } = key
  const { times, errors } = readKeyTimes(key, now)
  const { notBefore = null, expiresAt = null } = times
  // A key without an owner is its own, and an id is an owner's name.
  const owner = key.owner ?? 'itself'
  const fields = { name, owner, scopes, metadata, addresses, limits, notBefore, expiresAt }
  refuseErrors([...keyFieldErrors(fields), ...namedOwnerErrors(key.owner), ...errors], ['key'])
}
