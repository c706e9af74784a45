import type { KeyStore } from './key-store.ts'

/** Keys looked up before other work gets its turn: a store may answer in the same thread. */
const atOnce = 500

/**
 * Names of keys, by id; what is the id of no key is left out.
 *
 * @param owner whose keys alone are looked for; undefined: everyone's
 * @throws Fault `store_unavailable`
 */
export async function findKeyNames(
  store: Pick<KeyStore, 'findKey'>,
  ids: Iterable<string>,
  owner?: string,
): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>()
  let looked = 0
  for (const id of ids) {
    const found = await store.findKey(id)
    if (found !== undefined && (owner ?? found.owner) === found.owner) names.set(id, found.name)
    looked += 1
    if (looked % atOnce === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  return names
}
