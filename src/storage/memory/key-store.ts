import { Fault } from '../../core/fault.ts'
import type { Clock } from '../../core/time.ts'
import type { IdempotentAnswer } from '../../idempotency/idempotency-store.ts'
import type { KeyRecord } from '../../keys/key-record.ts'
import type {
  AddOutcome,
  Changes,
  KeyStore,
  ReplaceOutcome,
  ReplaceOwnerOutcome,
} from '../../keys/key-store.ts'
import type { OwnerRecord } from '../../keys/owner-record.ts'
import { copyAnswer, digestText, keepKey, lendKey } from './kept-copies.ts'
import { type ChangeLog, createChangeLog } from './key-changes.ts'
import { selectKeys } from './key-query.ts'
import { createOwnerTable, type OwnerTable } from './owner-table.ts'

export interface MemoryKeyStoreOptions {
  /** Says which kept answers have expired. @default Date.now */
  readonly clock?: Clock
}

/** Keeps keys in this process's memory: for tests, and for trying things out. They end with the process. */
export function createMemoryKeyStore(options: MemoryKeyStoreOptions = {}): KeyStore {
  const { clock = Date.now } = options
  const state: MemoryState = {
    keys: new Map(),
    keyIdsByDigest: new Map(),
    owners: createOwnerTable(),
    answers: new Map(),
    settings: new Map(),
    changes: createChangeLog(),
  }
  let isOpen = true

  /** Runs one call; what it throws rejects the promise, as it does in every store. */
  async function run<T>(work: () => T): Promise<T> {
    if (!isOpen) throw new Fault('store_unavailable', 'the key store is closed')
    return work()
  }

  return {
    findKey: (id) => run(() => lendFound(state, id)),
    findImportedKey: (digests) =>
      run(() => {
        const ids = digests.map((digest) => state.keyIdsByDigest.get(digestText(digest)))
        const id = ids.find((found) => found !== undefined)
        return id === undefined ? undefined : lendFound(state, id)
      }),
    listKeys: (query) =>
      run(() => {
        const page = selectKeys([...state.keys.values()], query)
        return { keys: page.keys.map(lendKey), hasMore: page.hasMore }
      }),
    addKeys: (records, answer) => run(() => change(state, clock(), answer, () => addKeys(state, records))),
    replaceKey: (record, answer) =>
      run(() => change(state, clock(), answer, () => replaceKey(state, record))),
    findOwner: (owner) => run(() => state.owners.find(owner)),
    replaceOwner: (record) => run(() => replaceOwner(state, record)),
    listOwners: (query) => run(() => state.owners.list(query)),
    findAnswer: (id, now) => run(() => findAnswer(state, id, now)),
    readChanges: (since) =>
      run((): Changes => {
        const hasImportedKeys = state.keyIdsByDigest.size > 0
        return { ...state.changes.read(since), hasImportedKeys, hasKeys: state.keys.size > 0 }
      }),
    findSetting: (name) => run(() => state.settings.get(name)),
    addSetting: (name, value) =>
      run(() => {
        const kept = state.settings.get(name) ?? value
        state.settings.set(name, kept)
        return kept
      }),
    close: async () => {
      isOpen = false
    },
  }
}

interface MemoryState {
  readonly keys: Map<string, KeyRecord>
  /** Ids of imported keys, by the text of each kept digest. */
  readonly keyIdsByDigest: Map<string, string>
  readonly owners: OwnerTable
  readonly answers: Map<string, IdempotentAnswer>
  readonly settings: Map<string, string>
  readonly changes: ChangeLog
}

function change<T extends AddOutcome | ReplaceOutcome>(
  state: MemoryState,
  now: number,
  answer: IdempotentAnswer | undefined,
  work: () => T,
): T | { outcome: 'answered'; answer: IdempotentAnswer } {
  for (const [id, kept] of state.answers) if (kept.expiresAt <= now) state.answers.delete(id)
  const earlier = answer === undefined ? undefined : findAnswer(state, answer.id, now)
  if (earlier !== undefined) return { outcome: 'answered', answer: earlier }
  const result = work()
  const isDone = result.outcome === 'added' || result.outcome === 'replaced'
  if (answer !== undefined && isDone) state.answers.set(answer.id, copyAnswer(answer))
  return result
}

function addKeys(state: MemoryState, records: readonly KeyRecord[]): AddOutcome {
  const names = new Set<string>()
  for (const name of records.flatMap((record) => [record.id, ...digestsOf(record)])) {
    if (names.has(name) || state.keys.has(name) || state.keyIdsByDigest.has(name)) return { outcome: 'taken' }
    names.add(name)
  }
  for (const record of records.map(keepKey)) put(state, record)
  return { outcome: 'added' }
}

function replaceKey(state: MemoryState, record: KeyRecord): ReplaceOutcome {
  const earlier = state.keys.get(record.id)
  if (earlier === undefined || earlier.version !== record.version - 1) return { outcome: 'stale' }
  for (const digest of digestsOf(record)) {
    const holder = state.keyIdsByDigest.get(digest)
    if (holder !== undefined && holder !== record.id)
      throw new Fault('internal', `key ${record.id}: the imported key ${holder} has the same secret`)
  }
  const kept = keepKey(record)
  for (const digest of digestsOf(earlier)) state.keyIdsByDigest.delete(digest)
  put(state, kept)
  return { outcome: 'replaced' }
}

function replaceOwner(state: MemoryState, record: OwnerRecord): ReplaceOwnerOutcome {
  if (!state.owners.replace(record)) return { outcome: 'stale' }
  const owner = record.owner.toWellFormed()
  for (const key of state.keys.values()) if (key.owner === owner) state.changes.record(key.id)
  return { outcome: 'replaced' }
}

function put(state: MemoryState, kept: KeyRecord): void {
  state.keys.set(kept.id, kept)
  for (const digest of digestsOf(kept)) state.keyIdsByDigest.set(digest, kept.id)
  state.changes.record(kept.id)
}

function digestsOf(record: KeyRecord): string[] {
  return record.imported ? record.secrets.map((secret) => digestText(secret.digest)) : []
}

function lendFound(state: MemoryState, id: string): KeyRecord | undefined {
  const kept = state.keys.get(id)
  return kept === undefined ? undefined : lendKey(kept)
}

function findAnswer(state: MemoryState, id: string, now: number): IdempotentAnswer | undefined {
  const kept = state.answers.get(id)
  return kept === undefined || kept.expiresAt <= now ? undefined : copyAnswer(kept)
}
