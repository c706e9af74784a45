import type { KeyRecord } from '../../../keys/record/key-record.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import { nameOfDigest } from '../../keys/key-digests.ts'
import { decodeKey, type KeyCells, readColumns } from '../../keys/key-row.ts'
import { createStatementQueue } from '../jobs/statement-queue.ts'
import type { PrimaryReads } from './primary-reads.ts'

/** A key as the driver gives it: `readColumns`, by name. */
export type KeyRow = Readonly<Record<string, KeyCells[number]>>

export function cellsOf(row: KeyRow): KeyCells {
  // In the order of `readColumns`, which the type of a mapped array forgets.
  return readColumns.map((column) => row[column]) as unknown as KeyCells
}

/** The driver takes other arrays of bytes for lists of numbers. */
export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** Finds keys for requests. */
export interface KeyLookups {
  readonly find: (id: string) => Promise<KeyRecord | undefined>
  /** The key of the first digest that has one. */
  readonly findImported: (digests: readonly Uint8Array[]) => Promise<KeyRecord | undefined>
}

const foundColumns = readColumns.map((column) => `found.${column}`).join(', ')

/**
 * Looks that come together share a statement: thousands of strangers with keys that do not exist
 * take a connection each of the two kinds, and not all.
 */
export function createKeyLookups(reads: PrimaryReads, schema: string, rows: BelievedRows): KeyLookups {
  const byId = createLookups(async (ids: readonly string[]) => {
    const join = `LEFT JOIN ${schema}.keys AS found ON found.id = ANY ($2::text[])`
    const found = await reads.readAll<KeyRow>(foundColumns, join, [[...new Set(ids)]])
    const rowOf = new Map(found.map((row) => [row['id'], row]))
    return (id) => {
      const row = rowOf.get(id)
      return row && decodeKey(rows, cellsOf(row))
    }
  })

  const byDigests = createLookups(async (lists: readonly (readonly Uint8Array[])[]) => {
    const join = `LEFT JOIN (${schema}.imported_digests AS d LEFT JOIN ${schema}.keys AS found
      ON found.id = d.key_id) ON d.digest = ANY ($2::bytea[])`
    const sought = new Map(lists.flat().map((digest) => [textOf(digest), toBuffer(digest)]))
    const columns = `d.digest, ${foundColumns}`
    const found = await reads.readAll<KeyRow>(columns, join, [[...sought.values()]])
    const rowOf = new Map(found.map((row) => [textOf(row['digest']), row]))
    return (digests) => {
      const first = digests.find((digest) => rowOf.has(textOf(digest)))
      const row = first && rowOf.get(textOf(first))
      return first && row && readImported(rows, row, first)
    }
  })

  return { find: byId, findImported: byDigests }
}

/** @param read reads a group, and gives what each of it has found */
function createLookups<Item>(
  read: (items: readonly Item[]) => Promise<(item: Item) => KeyRecord | undefined>,
): (item: Item) => Promise<KeyRecord | undefined> {
  const queue = createStatementQueue<Item, () => KeyRecord | undefined>({
    name: 'keys',
    weigh: () => 1,
    async send(items) {
      try {
        const find = await read(items)
        return items.map((item) => ({ value: () => find(item) }))
      } catch (failure) {
        return items.map(() => ({ failure }))
      }
    },
  })
  return async (item) => {
    const find = await queue.add(item)
    // A row that is not believed is the failure of those who look for it alone.
    return find()
  }
}

function readImported(rows: BelievedRows, row: KeyRow, digest: Uint8Array): KeyRecord {
  const key = row['id'] === null ? undefined : decodeKey(rows, cellsOf(row))
  // The digest has no MAC of its own: its key has it, or the row is another's.
  if (key?.secrets.some((secret) => Buffer.compare(secret.digest, digest) === 0) !== true)
    return rows.reportLost('digest', nameOfDigest(digest))
  rows.confirm('digest', nameOfDigest(digest))
  return key
}

function textOf(digest: unknown): string {
  return digest instanceof Uint8Array ? toBuffer(digest).toString('base64') : ''
}
