import type { KeyStore } from '../../../keys/key-store.ts'
import type { AnsweringDisk } from './answering-disk.ts'

/** Keys whose changes are made only on a disk that answers. */
export function askDiskFirst<Keys extends KeyStore>(store: Keys, { ensureAnswers }: AnsweringDisk): Keys {
  const first =
    <Args extends readonly unknown[], Result>(change: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      await ensureAnswers()
      return change(...args)
    }
  return {
    ...store,
    addKeys: first(store.addKeys),
    replaceKey: first(store.replaceKey),
    noteUses: first(store.noteUses),
    replaceOwner: first(store.replaceOwner),
    addSetting: first(store.addSetting),
    close: () => ensureAnswers().then(store.close, () => {}),
  }
}
