import { Fault } from '../../core/fault.ts'
import type { Clock } from '../../core/time.ts'
import type { StoredAnswer } from '../../idempotency/idempotency-store.ts'
import type { KeyRecord } from '../../keys/record/key-record.ts'
import type { OwnerRecord } from '../../keys/record/owner-record.ts'
import type {
  AddOutcome,
  ChangeCursor,
  Changes,
  KeyStore,
  KeyUse,
  KeyVersion,
  OwnerKeysBound,
  ReplaceOutcome,
} from '../../keys/store/key-store.ts'
import { parseFrozen } from '../parse-frozen.ts'
import { selectKeys, selectOwners } from './key-query.ts'

export interface MemoryKeyStoreOptions {
  /** Decides which stored answers have expired. @default Date.now */
  readonly clock?: Clock
}

/**
 * Keys in this process's memory, for tests. Not SQLite on `:memory:`, as jobs are: a test ward
 * also runs where there is no `node:sqlite`.
 */
export function createMemoryKeyStore({ clock = Date.now }: MemoryKeyStoreOptions = {}): KeyStore {
  const state = new MemoryKeys()
  const owners = new Map<string, OwnerRecord>()
  const answers = new Map<string, StoredAnswer>()
  const settings = new Map<string, string>()
  let isOpen = true

  /** Runs one call; what it throws rejects the promise, as in every store. */
  async function run<T>(work: () => T): Promise<T> {
    if (!isOpen) throw new Fault('store_unavailable', 'the key store is closed')
    return work()
  }

  function findAnswer(id: string, now: number): StoredAnswer | undefined {
    const stored = answers.get(id)
    return stored === undefined || stored.expiresAt <= now ? undefined : copyAnswer(stored)
  }

  function change<T extends AddOutcome | ReplaceOutcome>(answer: StoredAnswer | undefined, work: () => T) {
    const now = clock()
    for (const { id, expiresAt } of answers.values()) if (expiresAt <= now) answers.delete(id)
    const earlier = answer && findAnswer(answer.id, now)
    if (earlier !== undefined) return { outcome: 'answered' as const, answer: earlier }
    const result = work()
    const isDone = result.outcome === 'added' || result.outcome === 'replaced'
    if (answer !== undefined && isDone) answers.set(answer.id, copyAnswer(answer))
    return result
  }

  return {
    findKey: (id) => run(() => state.find(id)),
    findImportedKey: (digests) => run(() => state.findImported(digests)),
    listKeys: (query) =>
      run(() => {
        const { keys, hasMore } = selectKeys(state.keys.values(), query)
        return { keys: keys.map(copyKey), hasMore }
      }),
    addKeys: (records, answer, bound) => run(() => change(answer, () => state.add(records, bound))),
    replaceKey: (record, answer, witness) => run(() => change(answer, () => state.replace(record, witness))),
    noteUses: (uses) => run(() => state.noteUses(uses)),
    findOwner: (owner) => run(() => owners.get(owner.toWellFormed())),
    replaceOwner: (record) =>
      run(() => {
        const { version } = owners.get(record.owner.toWellFormed()) ?? { version: 0 }
        if (record.version !== version + 1) return { outcome: 'stale' }
        const stored = storedOwner(record)
        owners.set(stored.owner, stored)
        state.noteOwner(stored.owner)
        return { outcome: 'replaced' }
      }),
    listOwners: (query) => run(() => selectOwners(owners.values(), query)),
    findAnswer: (id, now) => run(() => findAnswer(id, now)),
    readChanges: (since) => run(() => state.readChanges(since)),
    findSetting: (name) => run(() => settings.get(name)),
    addSetting: (name, value) =>
      run(() => {
        const stored = settings.get(name) ?? value
        settings.set(name, stored)
        return stored
      }),
    async close() {
      isOpen = false
    },
  }
}

/** More changed keys than this are `all`, as in every store. */
const listedMax = 1_000

class MemoryKeys {
  readonly keys = new Map<string, KeyRecord>()
  /** Ids of imported keys, by the text of each stored digest. */
  readonly #idsByDigest = new Map<string, string>()
  /** The number of each key's last change; the oldest comes first. */
  readonly #changes = new Map<string, number>()
  #cursor = 0

  find(id: string): KeyRecord | undefined {
    const stored = this.keys.get(id)
    return stored && copyKey(stored)
  }

  findImported(digests: readonly Uint8Array[]): KeyRecord | undefined {
    const ids = digests.map((digest) => this.#idsByDigest.get(digestText(digest)))
    const id = ids.find((found) => found !== undefined)
    return id === undefined ? undefined : this.find(id)
  }

  add(records: readonly KeyRecord[], bound: OwnerKeysBound | undefined): AddOutcome {
    if (bound !== undefined && this.#isFull(bound, records.length)) return { outcome: 'full' }
    // No id looks like a digest: those have 12 characters.
    const names = records.flatMap((record) => [record.id, ...digestsOf(record)])
    const isTaken = names.some((name) => this.keys.has(name) || this.#idsByDigest.has(name))
    if (isTaken || new Set(names).size < names.length) return { outcome: 'taken' }
    for (const record of records) this.#put(storedKey(record, null))
    return { outcome: 'added' }
  }

  #isFull({ owner, liveMax, storedMax }: OwnerKeysBound, added: number): boolean {
    const stored = [...this.keys.values()].filter((key) => key.owner === owner)
    const live = stored.filter(({ revokedAt }) => revokedAt === null)
    return live.length + added > liveMax || stored.length + added > storedMax
  }

  replace(record: KeyRecord, witness: KeyVersion | undefined): ReplaceOutcome {
    if (witness !== undefined && this.keys.get(witness.id)?.version !== witness.version)
      return { outcome: 'stale' }
    const earlier = this.keys.get(record.id)
    if (earlier === undefined || earlier.version !== record.version - 1) return { outcome: 'stale' }
    for (const digest of digestsOf(record)) {
      const holder = this.#idsByDigest.get(digest) ?? record.id
      if (holder !== record.id)
        throw new Fault('internal', `key ${record.id}: the imported key ${holder} has the same secret`)
    }
    const stored = storedKey(record, earlier.lastUsedAt)
    for (const digest of digestsOf(earlier)) this.#idsByDigest.delete(digest)
    this.#put(stored)
    return { outcome: 'replaced' }
  }

  noteUses(uses: readonly KeyUse[]): void {
    for (const { keyId, at } of uses) {
      const key = this.keys.get(keyId)
      if (key !== undefined && at > (key.lastUsedAt ?? Number.NEGATIVE_INFINITY))
        this.keys.set(keyId, Object.freeze({ ...key, lastUsedAt: at }))
    }
  }

  /** A change of an owner changes each of its keys. */
  noteOwner(owner: string): void {
    for (const key of this.keys.values()) if (key.owner === owner) this.#note(key.id)
  }

  readChanges(since: ChangeCursor = this.#cursor): Changes {
    return {
      cursor: this.#cursor,
      keyIds: this.#idsSince(since),
      hasImportedKeys: this.#idsByDigest.size > 0,
      hasKeys: this.keys.size > 0,
    }
  }

  #idsSince(since: ChangeCursor): readonly string[] | 'all' {
    if (since === this.#cursor) return []
    const ids = [...this.#changes].filter(([, change]) => change > since).map(([id]) => id)
    return since > this.#cursor || ids.length > listedMax ? 'all' : ids
  }

  #put(stored: KeyRecord): void {
    this.keys.set(stored.id, stored)
    for (const digest of digestsOf(stored)) this.#idsByDigest.set(digest, stored.id)
    this.#note(stored.id)
  }

  #note(id: string): void {
    this.#cursor += 1
    this.#changes.delete(id)
    this.#changes.set(id, this.#cursor)
  }
}

/** A copy, normalised as JSON and UTF-8 would, so that this store differs from no other. */
function storedKey(key: KeyRecord, lastUsedAt: KeyRecord['lastUsedAt']): KeyRecord {
  const { scopes, metadata, addresses, limits } = key
  return copyKey({
    ...key,
    ...parseFrozen<Pick<KeyRecord, 'scopes' | 'metadata' | 'addresses' | 'limits'>>(
      JSON.stringify({ scopes, metadata, addresses, limits }),
    ),
    name: key.name.toWellFormed(),
    owner: key.owner.toWellFormed(),
    revokedReason: key.revokedReason?.toWellFormed() ?? null,
    lastUsedAt,
  })
}

/** Bytes cannot be frozen, so each caller gets its own; a Buffer's `slice` would share them. */
function copyKey(stored: KeyRecord): KeyRecord {
  const secrets = stored.secrets.map((secret) =>
    Object.freeze({ ...secret, digest: new Uint8Array(secret.digest) }),
  )
  return Object.freeze({ ...stored, secrets: Object.freeze(secrets) })
}

function storedOwner(record: OwnerRecord): OwnerRecord {
  const limits = parseFrozen<OwnerRecord['limits']>(JSON.stringify(record.limits))
  return Object.freeze({ ...record, owner: record.owner.toWellFormed(), limits })
}

function copyAnswer(answer: StoredAnswer): StoredAnswer {
  return Object.freeze({ ...answer, sealed: new Uint8Array(answer.sealed) })
}

function digestsOf(record: KeyRecord): string[] {
  return record.imported ? record.secrets.map(({ digest }) => digestText(digest)) : []
}

function digestText(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString('base64')
}
