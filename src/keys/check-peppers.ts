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
    if ((await store.addSetting(`pepper.${version}`, checkValue)) !== checkValue) {
      throw new SetupError(
        'pepper_mismatch',
        `pepper version ${version} is not the one that the keys in this store were made with; restore it, or every key is lost`,
      )
    }
  }
  for (let version = 1; ; version += 1) {
    if (peppers.versions.includes(version)) continue
    const wasUsed = (await store.findSetting(`pepper.${version}`)) !== undefined
    if (wasUsed) {
      throw new SetupError(
        'pepper_missing',
        `keys were made under pepper version ${version}, which is not there; add it back`,
      )
    }
    if (version > peppers.current) return
  }
}
