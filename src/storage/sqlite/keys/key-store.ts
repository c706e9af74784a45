import type { Clock } from '../../../core/time.ts'
import type { StoredAnswer } from '../../../idempotency/idempotency-store.ts'
import type { KeyRecord } from '../../../keys/record/key-record.ts'
import type {
  AddOutcome,
  KeyStore,
  KeyVersion,
  OwnerKeysBound,
  ReplaceOutcome,
} from '../../../keys/store/key-store.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import type { NextChange } from '../../keys/change-numbers.ts'
import { areDistinct } from '../../keys/key-digests.ts'
import { isFull } from '../../keys/owner-keys.ts'
import { createConnection } from '../connection.ts'
import type { SqliteDatabase } from '../database.ts'
import { watchFiles } from '../watched-files.ts'
import { createAnswerTable } from './answer-table.ts'
import { createChangeCounter } from './change-counter.ts'
import { createChangeReader } from './key-changes.ts'
import { listKeys } from './key-listing.ts'
import { createKeyTable, type KeyTable } from './key-table.ts'
import { createOwnerTable } from './owner-table.ts'
import { createSettingTable } from './setting-table.ts'

/** The keys, and what of the file a deployment needs besides. */
export interface SqliteKeyStore extends KeyStore {
  /** Whether a row was read that is not the one that was written. */
  readonly hasDamage: () => boolean
  /** Numbers changes on behind this one, which a ledger knows and the file does not. */
  readonly raiseChanges: (latest: number) => Promise<void>
}

export interface SqliteKeyStoreDeps {
  /** Open, and of this program's version. Closed with the store. */
  readonly database: SqliteDatabase
  readonly file: string
  readonly rows: BelievedRows
  readonly clock: Clock
  readonly lockTimeoutMs: number
}

/** A key store on an open database. */
export function createSqliteKeyStore(deps: SqliteKeyStoreDeps): SqliteKeyStore {
  const { database, clock, rows } = deps
  const connection = createConnection(database, watchFiles(deps.file, database), deps.lockTimeoutMs)
  const keys = createKeyTable(database, rows)
  const owners = createOwnerTable(database, rows)
  const answers = createAnswerTable(database, rows)
  const counter = createChangeCounter(database, rows)
  const changes = createChangeReader(connection, database, counter)
  const setting = createSettingTable(database)

  async function change<T extends AddOutcome | ReplaceOutcome>(
    work: (next: NextChange) => T,
    answer: StoredAnswer | undefined,
  ): Promise<T | { outcome: 'answered'; answer: StoredAnswer }> {
    const writing = connection.write(() => {
      const now = clock()
      answers.purge(now)
      const earlier = answer === undefined ? undefined : answers.find(answer.id, now)
      if (earlier !== undefined) return { outcome: 'answered' as const, answer: earlier }
      const result = counter.whileNumbering(work)
      if (answer !== undefined && isDone(result)) answers.put(answer)
      return result
    })
    // Where it failed too: what this process has written must be seen by its next poll.
    return writing.finally(changes.forget)
  }

  return {
    findKey: async (id) => connection.read(() => keys.find(id)),
    findImportedKey: async (digests) => connection.read(() => keys.findImported(digests)),
    listKeys: (query) => listKeys(connection, database, rows, query),
    addKeys: (records, answer, bound) => change((next) => addKeys(keys, records, bound, next), answer),
    replaceKey: (record, answer, witness) =>
      change((next) => replaceKey(keys, record, witness, next), answer),
    noteUses: (uses) =>
      connection.write(
        () => {
          for (const use of uses) keys.noteUse(use)
        },
        { isDurable: false },
      ),
    findOwner: async (owner) => connection.read(() => owners.find(owner)),
    replaceOwner: async (record) => {
      const isReplaced = await connection.write(() =>
        counter.whileNumbering((next) => owners.replace(record, next)),
      )
      changes.forget()
      return { outcome: isReplaced ? 'replaced' : 'stale' }
    },
    listOwners: async (query) => connection.read(() => owners.list(query)),
    findAnswer: async (id, now) => connection.read(() => answers.find(id, now)),
    readChanges: async (since) => changes.read(since),
    findSetting: async (name) => connection.read(() => setting.find(name)),
    addSetting: (name, value) => connection.write(() => setting.add(name, value)),
    hasDamage: rows.hasDamage,
    raiseChanges: async (latest) => {
      await connection.write(() => counter.raise(latest))
      changes.forget()
    },
    close: async () => connection.close(),
  }
}

function isDone(result: AddOutcome | ReplaceOutcome): boolean {
  return result.outcome === 'added' || result.outcome === 'replaced'
}

function addKeys(
  keys: KeyTable,
  records: readonly KeyRecord[],
  bound: OwnerKeysBound | undefined,
  next: NextChange,
): AddOutcome {
  if (bound !== undefined && isFull(bound, keys.countOfOwner(bound.owner, bound.storedMax), records.length))
    return { outcome: 'full' }
  // All are looked up before any is written: a refusal leaves nothing to undo.
  if (!areDistinct(records) || records.some(keys.isTaken)) return { outcome: 'taken' }
  for (const record of records) keys.add(record, next)
  return { outcome: 'added' }
}

function replaceKey(
  keys: KeyTable,
  record: KeyRecord,
  witness: KeyVersion | undefined,
  next: NextChange,
): ReplaceOutcome {
  if (witness !== undefined && keys.find(witness.id)?.version !== witness.version) return { outcome: 'stale' }
  if (!keys.replace(record, next)) return { outcome: 'stale' }
  return { outcome: 'replaced' }
}
