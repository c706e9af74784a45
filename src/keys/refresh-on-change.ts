import type { KeyStore } from './key-store.ts'

/**
 * The same store, telling of each change that it has made and waiting until that has been heard: what a service has answered
 * then holds for the very next request, and not only from the next time the store is asked for changes.
 */
export function announceChanges(store: KeyStore, onChanged: () => Promise<void>): KeyStore {
  return {
    ...store,
    async addKeys(records, answer) {
      const added = await store.addKeys(records, answer)
      if (added.outcome === 'added') await onChanged()
      return added
    },
    async replaceKey(record, answer) {
      const replaced = await store.replaceKey(record, answer)
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
