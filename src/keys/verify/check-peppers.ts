import { SetupError } from '../../core/setup-error.ts'
import type { Peppers } from '../../secrets/peppers.ts'
import type { KeyStore } from '../store/key-store.ts'

/**
 * The first use of each pepper stores its check value. From then on the deployment must have that
 * pepper, unchanged. Nothing is stored for a deployment whose peppers these are not: from a value
 * that a mistake has left behind no right start could tell what is missing.
 *
 * @throws SetupError `pepper_missing`, `pepper_mismatch`
 */
export async function checkPeppers(
  store: Pick<KeyStore, 'findSetting' | 'addSetting'>,
  peppers: Peppers,
): Promise<void> {
  const unknown: number[] = []
  for (const version of peppers.versions) {
    const found = await store.findSetting(nameOf(version))
    if (found === undefined) unknown.push(version)
    else if (found !== peppers.checkValue(version)) throw pepperMismatch(version)
  }
  for (let version = 1; ; version += 1) {
    if (peppers.versions.includes(version)) continue
    if ((await store.findSetting(nameOf(version))) !== undefined) throw pepperMissing(version)
    if (version > peppers.current) break
  }
  for (const version of unknown) {
    const checkValue = peppers.checkValue(version)
    // Another node may have been faster.
    if ((await store.addSetting(nameOf(version), checkValue)) !== checkValue) throw pepperMismatch(version)
  }
}

function nameOf(version: number): string {
  return `pepper.${version}`
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
