import type { KeyStore } from '../../../keys/store/key-store.ts'
import type { AnsweringDisk } from './answering-disk.ts'

/** Keys whose changes are made only on a disk that answers. */
export function askDiskFirst<Keys extends KeyStore>(store: Keys, disk: AnsweringDisk): Keys {
  const first =
    <Args extends readonly unknown[], Result>(change: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      await disk.ensureAnswers()
      const result = await change(...args)
      disk.noteAnswer()
      return result
    }
  return {
    ...store,
    addKeys: first(store.addKeys),
    replaceKey: first(store.replaceKey),
    // Not durable: that it is done says nothing of the disk.
    noteUses: (uses) => disk.ensureAnswers().then(() => store.noteUses(uses)),
    replaceOwner: first(store.replaceOwner),
    addSetting: first(store.addSetting),
    close: () => disk.ensureAnswers().then(store.close, () => {}),
  }
}
