import { Fault } from '../../core/fault.ts'
import type { KeyRecord } from '../record/key-record.ts'
import type { KeyService } from '../service/key-service.ts'
import type { KeyPage } from '../store/key-store.ts'

/** Keys read at once. */
const pageSize = 1_000
/** Revocations under way at once: their records share commits. */
const atOnceMax = 64

/**
 * Revokes all keys of an owner that are not revoked yet, one by one, each with its record. Looks
 * again until none is left: a key that is made meanwhile must not outlive this.
 *
 * @param onDamaged called once with the id of each key that is stored and could not be read or
 *   changed: no such key is admitted
 * @returns the keys that this call revoked
 * @throws what `KeyService.revoke` does; keys that were revoked before it stay revoked
 */
export async function revokeOwner(
  keys: Pick<KeyService, 'list' | 'revoke'>,
  owner: string,
  reason: string | undefined,
  onDamaged: (id: string) => void,
): Promise<readonly KeyRecord[]> {
  const revoked: KeyRecord[] = []
  const damaged = new Set<string>()
  function noteDamaged(id: string): void {
    if (damaged.has(id)) return
    damaged.add(id)
    onDamaged(id)
  }

  for (let before = -1; before < revoked.length; ) {
    before = revoked.length
    for await (const page of readPages(keys, owner)) {
      for (const id of page.damaged ?? []) noteDamaged(id)
      const live = page.keys.filter(({ id, revokedAt }) => revokedAt === null && !damaged.has(id))
      for (let at = 0; at < live.length; at += atOnceMax) {
        const ids = live.slice(at, at + atOnceMax).map(({ id }) => id)
        const outcomes = await Promise.allSettled(ids.map((id) => keys.revoke(id, reason)))
        const isOut = outcomes.every(({ status }) => status === 'rejected') && ids.length === atOnceMax
        for (const [index, outcome] of outcomes.entries()) {
          if (outcome.status === 'fulfilled') revoked.push(outcome.value)
          else if (isOfStore(outcome.reason) && !isOut) noteDamaged(ids[index] ?? '')
          else throw outcome.reason
        }
      }
    }
  }
  return revoked
}

function isOfStore(reason: unknown): boolean {
  return reason instanceof Fault && reason.code === 'store_unavailable'
}

/** A page after the other, in the order of ids, which no change moves. */
async function* readPages(keys: Pick<KeyService, 'list'>, owner: string): AsyncGenerator<KeyPage> {
  for (let after: { value: string; id: string } | undefined; ; ) {
    const page = await keys.list({ owner, sort: 'id', descending: false, limit: pageSize, after })
    yield page
    const last = page.keys.at(-1)
    if (!page.hasMore || last === undefined) return
    after = { value: last.id, id: last.id }
  }
}
