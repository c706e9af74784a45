import { Fault } from '../../../core/fault.ts'
import type { Clock } from '../../../core/time.ts'
import type { StoredAnswer } from '../../../idempotency/idempotency-store.ts'
import type { KeyRecord } from '../../../keys/record/key-record.ts'
import type {
  AddOutcome,
  ChangeCursor,
  Changes,
  KeyStore,
  OwnerKeysBound,
  ReplaceOutcome,
} from '../../../keys/store/key-store.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import type { NextChange } from '../../keys/change-numbers.ts'
import { areDistinct } from '../../keys/key-digests.ts'
import { isFull } from '../../keys/owner-keys.ts'
import type { Postgres, Query } from '../postgres.ts'
import { isStorable } from '../storable-text.ts'
import { createAnswerTable } from './answer-table.ts'
import { createChangeCounter } from './change-counter.ts'
import type { ChangeListener } from './change-listener.ts'
import { readChanges } from './key-changes.ts'
import { listKeys } from './key-listing.ts'
import { createKeyTable, type KeyTable } from './key-table.ts'
import { createOwnerTable } from './owner-table.ts'
import { createPrimaryReads, type PrimaryReads } from './primary-reads.ts'
import { createSettingTable } from './setting-table.ts'
import type { RowWatch } from './watch-rows.ts'

/** The keys, and what of the database a deployment needs besides. */
export interface PostgresKeyStore extends KeyStore {
  readonly onChange: NonNullable<KeyStore['onChange']>
  /** Whether a row was read that is not the one that was written. */
  readonly hasDamage: () => boolean
}

export interface PostgresKeyStoreDeps {
  /** The caller closes it. */
  readonly postgres: Postgres
  readonly rows: BelievedRows
  /** Stopped with the store. */
  readonly watch: RowWatch
  /** Closed with the store. */
  readonly listener: ChangeListener
  readonly clock: Clock
}

/** What the counter's lock needs: a later statement sees what was committed before it. */
const mode = 'ISOLATION LEVEL READ COMMITTED READ WRITE'

/** A key store on a database whose keys were made under these peppers. */
export function createPostgresKeyStore(deps: PostgresKeyStoreDeps): PostgresKeyStore {
  const { rows, watch, listener, clock } = deps
  const { schema, name, query, transaction, close } = closeable(deps.postgres)
  const reads = createPrimaryReads(query, schema, name, rows, watch.ensureWhole)
  const keys = createKeyTable(reads, schema, rows)
  const owners = createOwnerTable(reads, schema, rows)
  const answers = createAnswerTable(schema, rows)
  const counter = createChangeCounter(schema, rows, listener.channel)

  async function change<Done extends AddOutcome | ReplaceOutcome>(
    work: (query: Query, next: NextChange) => Promise<Done>,
    answer: StoredAnswer | undefined,
  ): Promise<Done | { outcome: 'answered'; answer: StoredAnswer }> {
    const now = clock()
    await answers.purge(query, now)
    return transaction(
      (within) =>
        counter.whileNumbering(within, async (next) => {
          const earlier = answer && (await answers.find(within, answer.id, now))
          if (earlier !== undefined) return { outcome: 'answered' as const, answer: earlier }
          const result = await work(within, next)
          if (answer !== undefined && isDone(result)) await answers.put(within, answer)
          return result
        }),
      mode,
    )
  }

  return {
    ...createSettingTable(query, schema),
    findKey: async (id) => (isStorable(id) ? keys.find(id) : undefined),
    findImportedKey: async (digests) => keys.findImported(digests),
    listKeys: (asked) => listKeys(query, schema, rows, asked),
    addKeys: (records, answer, bound) =>
      change((within, next) => addKeys(keys, within, records, bound, next), answer),
    replaceKey: (record, answer, witness) =>
      change(async (within, next) => {
        if (witness !== undefined && !(await keys.isOfVersion(within, witness))) return { outcome: 'stale' }
        const isReplaced = await keys.replace(within, record, next)
        return { outcome: isReplaced ? ('replaced' as const) : ('stale' as const) }
      }, answer),
    noteUses: (uses) => keys.noteUses(query, uses),
    findOwner: async (owner) => (isStorable(owner) ? owners.find(owner) : undefined),
    replaceOwner: (record) =>
      transaction(async (within) => {
        const isReplaced = await counter.whileNumbering(within, (next) =>
          owners.replace(within, record, next),
        )
        return { outcome: isReplaced ? 'replaced' : 'stale' }
      }, mode),
    listOwners: (asked) => owners.list(query, asked),
    findAnswer: async (id, now) => (isStorable(id) ? answers.find(query, id, now) : undefined),
    readChanges: createForwardReads(reads, (since) => readChanges(query, schema, rows, since)),
    onChange: listener.onChange,
    hasDamage: rows.hasDamage,
    async close() {
      close()
      await watch.stop()
      await listener.close()
    },
  }
}

/**
 * Changes are never followed back: one who can write the database could put a revoked key back, row
 * and counter. A process that is started later knows of none, which is an operator's act.
 */
function createForwardReads(
  reads: PrimaryReads,
  read: (since: ChangeCursor | undefined) => Promise<Changes>,
): KeyStore['readChanges'] {
  let wasBehind = false
  return async (since) => {
    const least = reads.seen()
    const changes = await read(since)
    try {
      reads.note(changes.cursor, least)
    } catch (fault) {
      wasBehind = true
      throw fault
    }
    if (!wasBehind || since === undefined) return changes
    // Numbers may be of other changes by now.
    wasBehind = false
    return { ...changes, keyIds: 'all' }
  }
}

/** The same, which others share, until this store is closed. */
function closeable(postgres: Postgres): Omit<Postgres, 'close'> & { readonly close: () => void } {
  let isOpen = true
  const checkOpen = (): void => {
    if (!isOpen) throw new Fault('store_unavailable', 'the key store is closed')
  }
  return {
    ...postgres,
    async query(text, values) {
      checkOpen()
      return postgres.query(text, values)
    },
    async transaction(run, mode) {
      checkOpen()
      return postgres.transaction(run, mode)
    },
    close() {
      isOpen = false
    },
  }
}

function isDone(result: AddOutcome | ReplaceOutcome): boolean {
  return result.outcome === 'added' || result.outcome === 'replaced'
}

async function addKeys(
  keys: KeyTable,
  query: Query,
  records: readonly KeyRecord[],
  bound: OwnerKeysBound | undefined,
  next: NextChange,
): Promise<AddOutcome> {
  if (bound !== undefined) {
    const count = await keys.countOfOwner(query, bound.owner, bound.storedMax)
    if (isFull(bound, count, records.length)) return { outcome: 'full' }
  }
  if (!areDistinct(records) || (await keys.areTaken(query, records))) return { outcome: 'taken' }
  await keys.add(query, records, next)
  return { outcome: 'added' }
}
