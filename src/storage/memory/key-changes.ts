import type { ChangeCursor, Changes } from '../../keys/key-store.ts'

/** More changed keys than this are told as `all`, as in every store. */
const listedMax = 1_000

/** Remembers when each key last changed. */
export interface ChangeLog {
  readonly record: (keyId: string) => void
  readonly read: (since: ChangeCursor | undefined) => Pick<Changes, 'cursor' | 'keyIds'>
}

export function createChangeLog(): ChangeLog {
  /** Oldest change first: a key that changes again moves to the end. */
  const changes = new Map<string, number>()
  let cursor = 0

  function idsSince(since: ChangeCursor): readonly string[] | 'all' {
    if (since === cursor) return []
    if (since > cursor) return 'all'
    const ids = [...changes].filter(([, change]) => change > since).map(([id]) => id)
    return ids.length > listedMax ? 'all' : ids
  }

  return {
    record: (keyId) => {
      cursor += 1
      changes.delete(keyId)
      changes.set(keyId, cursor)
    },
    read: (since) => ({ cursor, keyIds: idsSince(since ?? cursor) }),
  }
}
