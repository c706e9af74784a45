import { SetupError } from '../../core/setup-error.ts'
import type { KeyStore } from '../../keys/store/key-store.ts'
import { publicKeyOf } from '../../ledger/format/checkpoint.ts'
import { isPublicKey, type SigningKeys } from '../../secrets/signing-key.ts'

/** What a deployment's signing key is to it. */
export type SigningKeyState = 'current' | 'previous' | 'next'

/**
 * Compares the signing key with the public halves that the deployment's nodes stored: `current` is
 * the last of them, or the first of all. The `previous` one is right too, as a node may start with
 * it while others already have the current one. A key is the `next` if it comes with the public
 * half of the current one behind it: write access to the database alone changes none.
 *
 * @throws SetupError `signing_key_mismatch`; `data_corrupt` for a stored value that is no key
 */
export async function compareSigningKey(
  store: Pick<KeyStore, 'findSetting'>,
  { key, earlier }: SigningKeys,
): Promise<SigningKeyState> {
  const own = publicKeyOf(key)
  const [current, previous] = (await readStored(store)).toReversed()
  if (current === undefined || current === own) return 'current'
  if (previous === own) return 'previous'
  if (earlier.includes(current)) return 'next'
  throw mismatch()
}

/**
 * The same at the start of a node, which stores what is new. A command stores nothing: what it is
 * given by mistake would keep nodes from starting.
 *
 * @throws SetupError `signing_key_mismatch`, `data_corrupt`
 */
export async function storeSigningKey(
  store: Pick<KeyStore, 'findSetting' | 'addSetting'>,
  keys: SigningKeys,
): Promise<void> {
  const own = publicKeyOf(keys.key)
  const stored = await readStored(store)
  if ((await compareSigningKey(store, keys)) === 'previous' || stored.at(-1) === own) return
  // Another node may have been faster.
  if ((await store.addSetting(nameOf(stored.length + 1), own)) !== own) throw mismatch()
}

/** The name of the setting that keeps a deployment's first signing key. */
export const firstSigningKey: string = nameOf(1)

function nameOf(place: number): string {
  return `signing key.${place}`
}

/** Public keys, the oldest first. */
async function readStored(store: Pick<KeyStore, 'findSetting'>): Promise<readonly string[]> {
  const stored: string[] = []
  for (;;) {
    const found = await store.findSetting(nameOf(stored.length + 1))
    if (found === undefined) return stored
    if (!isPublicKey(found))
      throw new SetupError(
        'data_corrupt',
        'the stored public key of the deployment is not as it was written; restore a backup',
      )
    stored.push(found)
  }
}

function mismatch(): SetupError {
  return new SetupError(
    'signing_key_mismatch',
    'the signing key is not the one that the nodes of this deployment sign with; give every node that one, or, to replace it on purpose, put its public half, which modelward ledger verify shows, behind the new one in MODELWARD_SIGNING_KEY',
  )
}
