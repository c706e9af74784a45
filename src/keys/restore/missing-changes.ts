import { changeEvents } from '../../ledger/format/event.ts'
import { changeOf, type LedgerRecord } from '../../ledger/format/record.ts'
import type { LedgerReader } from '../../ledger/ledger.ts'

/** What a ledger says was changed after the moment that restored keys are of. */
export interface MissingChanges {
  /** Keys that were revoked, by id. */
  readonly revoked: readonly string[]
  /** Keys that were disabled, and were not enabled or revoked again. */
  readonly disabled: readonly string[]
  /** Keys that were enabled, and were not disabled or revoked again. */
  readonly enabled: readonly string[]
  /** Keys that were made: their texts are with their callers, and no key knows them. */
  readonly created: readonly string[]
  /** Keys that were rotated or updated, and owners whose limits were set: as they were before. */
  readonly undone: readonly string[]
  /** The keys of `revoked` and `disabled`, in the order in which they were ended. */
  readonly ended: readonly EndedKey[]
  /** The changes that may have no record; undefined if each has one. */
  readonly notKnown: ChangeRange | undefined
}

export interface EndedKey {
  readonly id: string
  readonly by: 'revoked' | 'disabled'
}

/** Numbers of changes, both ends included. */
export interface ChangeRange {
  readonly from: number
  readonly to: number
}

/**
 * Who ends keys again. Its records have numbers of the keys that were restored, so they do not tell
 * where the changes of before begin.
 */
export const restorer = 'keys restored'

const pageSize = 1_000

/**
 * Reads what is missing in keys whose latest change has this number, from the newest record back.
 *
 * @param recorded the latest change that the ledger knows of
 * @throws what the reader rejects with
 */
export async function findMissingChanges(
  ledger: Pick<LedgerReader, 'query'>,
  latest: number,
  recorded: number,
): Promise<MissingChanges> {
  const missing: LedgerRecord[] = []
  let hasAll = false
  for (let after: string | undefined; ; ) {
    const page = await ledger.query({ events: changeEvents, order: 'newest', limit: pageSize, after })
    const newer = page.records.filter((record) => changeOf(record) > latest)
    missing.push(...newer)
    // Retention drops the oldest records first: where one of before is kept, so are all since.
    hasAll ||= page.records.some((record) => changeOf(record) <= latest && record.detail?.['by'] !== restorer)
    after = page.next
    // Records of a few moments may stand in another order than their changes; a page is more.
    if ((newer.length === 0 && hasAll) || after === undefined) break
  }
  // The oldest first; those of one number stay in the order of the ledger.
  const records = missing.reverse().sort((one, other) => changeOf(one) - changeOf(other))
  hasAll ||= latest === 0 && !(await hasDropped(ledger))
  return { ...sortOut(records), notKnown: hasAll ? undefined : unrecorded(records, latest, recorded) }
}

async function hasDropped(ledger: Pick<LedgerReader, 'query'>): Promise<boolean> {
  const { records } = await ledger.query({ events: ['ledger.dropped'], order: 'newest', limit: 1 })
  return records.length > 0
}

/** @param records in the order of their changes */
function unrecorded(
  records: readonly LedgerRecord[],
  latest: number,
  recorded: number,
): ChangeRange | undefined {
  const first = records.find(({ event, detail }) => event !== 'keys.restored' && detail?.['by'] !== restorer)
  const to = first === undefined ? recorded : changeOf(first) - 1
  return to > latest ? { from: latest + 1, to } : undefined
}

/** @param records in the order of their changes */
function sortOut(records: readonly LedgerRecord[]): Omit<MissingChanges, 'notKnown'> {
  const [created, undone] = [new Set<string>(), new Set<string>()]
  const enabled = new Map<string, number>()
  const ended = new Map<string, { readonly by: EndedKey['by']; readonly change: number }>()

  function end(id: string, by: EndedKey['by'], change: number): void {
    if (ended.get(id)?.by === 'revoked') return
    // Its place is that of its last end.
    ended.delete(id)
    ended.set(id, { by, change })
    enabled.delete(id)
  }

  /** Of one number, which of the two came last is not known: then the key stays disabled. */
  function enable(id: string, change: number): void {
    const before = ended.get(id)
    if (before !== undefined && (before.by === 'revoked' || before.change >= change)) return
    ended.delete(id)
    enabled.set(id, change)
  }

  for (const record of records) {
    const { event, keyId, owner } = record
    if (event === 'owner.limits_set') undone.add(`owner ${owner}`)
    if (keyId === null) continue
    if (event === 'key.revoked') end(keyId, 'revoked', changeOf(record))
    if (event === 'key.disabled') end(keyId, 'disabled', changeOf(record))
    if (event === 'key.enabled') enable(keyId, changeOf(record))
    if (event === 'key.created' || event === 'key.imported') created.add(keyId)
    if (event === 'key.rotated' || event === 'key.updated') undone.add(`key ${keyId}`)
  }
  for (const id of created) undone.delete(`key ${id}`)
  const inOrder = [...ended].map(([id, { by }]) => ({ id, by }))
  const idsOf = (by: EndedKey['by']): readonly string[] =>
    inOrder.filter((key) => key.by === by).map(({ id }) => id)
  return {
    revoked: idsOf('revoked'),
    disabled: idsOf('disabled'),
    enabled: [...enabled.keys()],
    created: [...created],
    undone: [...undone],
    ended: inOrder,
  }
}
