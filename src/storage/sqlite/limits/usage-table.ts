import { Fault } from '../../../core/fault.ts'
import type { Moment, StoredCount, StoredUsage } from '../../../limits/usage-store.ts'
import type { SqliteDatabase, SqlValue } from '../database.ts'

/** Stored usage of limits. The caller brings the transaction. */
export interface UsageTable {
  readonly find: (name: string) => StoredUsage | undefined
  readonly put: (use: StoredUsage) => void
  readonly remove: (name: string) => void
  /** All with a reserve. */
  readonly listWithReserve: () => readonly StoredUsage[]
  /** The next by name. */
  readonly listAfter: (name: string, limit: number) => readonly StoredUsage[]
  readonly findMark: () => Moment | undefined
  readonly putMark: (now: Moment) => void
}

type UseCells = readonly [
  name: string,
  limitText: string,
  at: number,
  reserve: number,
  cells: Uint8Array | null,
  beginsAt: number | null,
  since: number | null,
  used: number | null,
]

const columns = ['name', 'limit_text', 'at', 'spare', 'cells', 'begins_at', 'since', 'used']

export function createUsageTable(database: SqliteDatabase): UsageTable {
  const list = columns.join(', ')
  const select = (rest: string) => database.prepareCells<UseCells>(`SELECT ${list} FROM uses ${rest}`)
  const find = select('WHERE name = ?')
  const findWithReserve = select('WHERE spare > 0')
  const findAfter = select('WHERE name > ? ORDER BY name LIMIT ?')
  const updates = columns.slice(1).map((column) => `${column} = excluded.${column}`)
  const put = database.prepare(
    `INSERT INTO uses (${list}) VALUES (${columns.map(() => '?').join(', ')})
      ON CONFLICT (name) DO UPDATE SET ${updates.join(', ')}`,
  )
  const remove = database.prepare('DELETE FROM uses WHERE name = ?')
  const findMark = database.prepareCells<readonly [steady: number, wall: number]>(
    'SELECT steady, wall FROM marks',
  )
  const putMark = database.prepare(
    `INSERT INTO marks (id, steady, wall) VALUES (1, ?, ?)
      ON CONFLICT (id) DO UPDATE SET steady = excluded.steady, wall = excluded.wall`,
  )
  return {
    find(name) {
      const cells = find.get(name)
      return cells && decodeUse(cells)
    },
    put: (use) => void put.run(...encodeUse(use)),
    remove: (name) => void remove.run(name),
    listWithReserve: () => findWithReserve.all().map(decodeUse),
    listAfter: (name, limit) => findAfter.all(name, limit).map(decodeUse),
    findMark() {
      const mark = findMark.get()
      return mark && { steady: mark[0], wall: mark[1] }
    },
    putMark: ({ steady, wall }) => void putMark.run(steady, wall),
  }
}

function encodeUse({ name, limit, at, reserve, count }: StoredUsage): readonly SqlValue[] {
  const common = [name, limit, at, reserve]
  if (count.kind === 'calendar') return [...common, null, count.beginsAt, count.since, count.used]
  const { buffer, byteOffset, byteLength } = count.cells
  return [...common, new Uint8Array(buffer, byteOffset, byteLength), null, null, null]
}

function decodeUse([name, limit, at, reserve, cells, beginsAt, since, used]: UseCells): StoredUsage {
  return { name, limit, at, reserve, count: decodeCount(name, cells, beginsAt, since, used) }
}

function decodeCount(
  name: string,
  bytes: Uint8Array | null,
  beginsAt: number | null,
  since: number | null,
  used: number | null,
): StoredCount {
  if (bytes !== null) {
    const cells = new Uint32Array(bytes.byteLength / 4)
    new Uint8Array(cells.buffer).set(bytes)
    return { kind: 'window', cells }
  }
  if (beginsAt === null || since === null || used === null)
    throw new Fault('limiter_unavailable', `${name}: its row cannot be read`)
  return { kind: 'calendar', beginsAt, since, used }
}
