import type { KeyStore } from './key-store.ts'

/**
 * The same store; after each of its changes it waits until `onChanged` has refreshed the readers.
 * So a change that was answered holds for the very next request, not only from the next poll on.
 */
export function refreshOnChange(store: KeyStore, onChanged: () => Promise<void>): KeyStore {
  return {
    ...store,
    async addKeys(records, answer, bound) {
      const added = await store.addKeys(records, answer, bound)
      if (added.outcome === 'added') await onChanged()
      return added
    },
    async replaceKey(record, answer, witness) {
      const replaced = await store.replaceKey(record, answer, witness)
      if (replaced.outcome === 'replaced') await onChanged()
      return replaced
    },
    async replaceOwner(record) {
      const replaced = await store.replaceOwner(record)
      if (replaced.outcome === 'replaced') await onChanged()
      return replaced
    },
  }
}
