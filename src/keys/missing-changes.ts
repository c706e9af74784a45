import { changeEvents } from '../ledger/format/event.ts'
import type { LedgerRecord } from '../ledger/format/record.ts'
import type { LedgerReader } from '../ledger/ledger.ts'

/** What a ledger says was changed after the moment that restored keys are of. */
export interface MissingChanges {
  /** Keys that were revoked, by id. */
  readonly revoked: readonly string[]
  /** Keys that were disabled, and were not enabled or revoked again. */
  readonly disabled: readonly string[]
  /** Keys that were made: their texts are with their callers, and no key knows them. */
  readonly created: readonly string[]
  /** Keys that were rotated or updated, and owners whose limits were set: as they were before. */
  readonly undone: readonly string[]
}

const pageSize = 1_000

/**
 * Reads what is missing in keys whose latest change has this number, from the newest record back.
 *
 * @throws what the reader rejects with
 */
export async function findMissingChanges(
  ledger: Pick<LedgerReader, 'query'>,
  latest: number,
): Promise<MissingChanges> {
  const missing: LedgerRecord[] = []
  for (let after: string | undefined; ; ) {
    const page = await ledger.query({ events: changeEvents, order: 'newest', limit: pageSize, after })
    const newer = page.records.filter((record) => changeOf(record) > latest)
    missing.push(...newer)
    // Records of a few moments may stand in another order than their changes; a page is more.
    if (newer.length === 0 || page.next === undefined) return sortOut(missing.reverse())
    after = page.next
  }
}

function changeOf({ detail }: LedgerRecord): number {
  const change = detail?.['change']
  return typeof change === 'number' ? change : 0
}

/** @param records the oldest first */
function sortOut(records: readonly LedgerRecord[]): MissingChanges {
  const [revoked, created, undone] = [new Set<string>(), new Set<string>(), new Set<string>()]
  const disabled = new Set<string>()
  for (const { event, keyId, owner } of records) {
    if (event === 'owner.limits_set') undone.add(`owner ${owner}`)
    if (keyId === null) continue
    if (event === 'key.revoked') revoked.add(keyId)
    if (event === 'key.disabled') disabled.add(keyId)
    if (event === 'key.enabled') disabled.delete(keyId)
    if (event === 'key.created' || event === 'key.imported') created.add(keyId)
    if (event === 'key.rotated' || event === 'key.updated') undone.add(`key ${keyId}`)
  }
  for (const id of created) undone.delete(`key ${id}`)
  return {
    revoked: [...revoked],
    disabled: [...disabled].filter((id) => !revoked.has(id)),
    created: [...created],
    undone: [...undone],
  }
}
