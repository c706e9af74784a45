import type { KeyRecord } from './key-record.ts'
import type { KeyService } from './key-service.ts'

/** Keys read at once. */
const pageSize = 1_000
/** Revocations under way at once: their records share commits. */
const atOnceMax = 64

/**
 * Revokes all keys of an owner that are not revoked yet, one by one, each with its record. Looks
 * again until none is left: a key that is made meanwhile must not outlive this.
 *
 * @returns the keys that this call revoked
 * @throws what `KeyService.revoke` does; keys that were revoked before it stay revoked
 */
export async function revokeOwner(
  keys: Pick<KeyService, 'list' | 'revoke'>,
  owner: string,
  reason?: string,
): Promise<readonly KeyRecord[]> {
  const revoked: KeyRecord[] = []
  for (let before = -1; before < revoked.length; ) {
    before = revoked.length
    for await (const ids of readLiveIds(keys, owner)) {
      for (let at = 0; at < ids.length; at += atOnceMax) {
        const slice = ids.slice(at, at + atOnceMax)
        const outcomes = await Promise.allSettled(slice.map((id) => keys.revoke(id, reason)))
        for (const outcome of outcomes) {
          if (outcome.status === 'rejected') throw outcome.reason
          revoked.push(outcome.value)
        }
      }
    }
  }
  return revoked
}

/** A page after the other, in the order of ids, which no change moves. */
async function* readLiveIds(
  keys: Pick<KeyService, 'list'>,
  owner: string,
): AsyncGenerator<readonly string[]> {
  for (let after: { value: string; id: string } | undefined; ; ) {
    const page = await keys.list({ owner, sort: 'id', descending: false, limit: pageSize, after })
    yield page.keys.filter(({ revokedAt }) => revokedAt === null).map(({ id }) => id)
    const last = page.keys.at(-1)
    if (!page.hasMore || last === undefined) return
    after = { value: last.id, id: last.id }
  }
}
