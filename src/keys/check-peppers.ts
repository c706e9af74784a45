import { SetupError } from '../core/setup-error.ts'
import type { Peppers } from '../secrets/peppers.ts'
import type { KeyStore } from './key-store.ts'

/**
 * The first use of each pepper stores its check value. From then on the deployment must have that
 * pepper, unchanged.
 *
 * @throws SetupError `pepper_missing`, `pepper_mismatch`
 */
export async function checkPeppers(
  store: Pick<KeyStore, 'findSetting' | 'addSetting'>,
  peppers: Peppers,
): Promise<void> {
  for (const version of peppers.versions) {
    const checkValue = peppers.checkValue(version)
    if ((await store.addSetting(`pepper.${version}`, checkValue)) !== checkValue)
      throw pepperMismatch(version)
  }
  for (let version = 1; ; version += 1) {
    if (peppers.versions.includes(version)) continue
    if ((await store.findSetting(`pepper.${version}`)) !== undefined) throw pepperMissing(version)
    if (version > peppers.current) return
  }
}

/** The pepper of this version is not the one that the stored keys were made with. */
export function pepperMismatch(version: number): SetupError {
  return new SetupError(
    'pepper_mismatch',
    `pepper version ${version} is not the one that the keys in this store were made with; restore it, or every key is lost`,
  )
}

/** Stored keys were made with a pepper that is not there. */
export function pepperMissing(version: number): SetupError {
  return new SetupError(
    'pepper_missing',
    `keys were made under pepper version ${version}, which is not there; add it back`,
  )
}
