import { crc32 } from '../../../core/crc32.ts'
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
  /** Their names alone, whatever else their rows say. */
  readonly listNamesAfter: (name: string, limit: number) => readonly string[]
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
const markColumns = ['steady', 'wall']

/** The checksum of a row, beside it: a damaged count is an outage, and no other count. */
const checksumOf = (cells: readonly SqlValue[]): number =>
  crc32(cells.map((cell) => (cell instanceof Uint8Array ? Buffer.from(cell).toString('hex') : cell)).join())

/** Gives each row the checksum that it has from then on, once. */
export function addChecksums(database: SqliteDatabase): void {
  database.exec(`
    ALTER TABLE uses ADD COLUMN checksum INTEGER;
    ALTER TABLE marks ADD COLUMN checksum INTEGER;
    -- The other tree that has every name, for a row that the first has lost.
    CREATE INDEX uses_again ON uses (name);
  `)
  const uses = database.prepareCells<UseCells>(`SELECT ${columns.join(', ')} FROM uses`).all()
  const putUse = database.prepare('UPDATE uses SET checksum = ? WHERE name = ?')
  for (const cells of uses) putUse.run(checksumOf(cells), cells[0])
  const mark = database.prepareCells<MarkCells>(`SELECT ${markColumns.join(', ')} FROM marks`).get()
  if (mark !== undefined) database.prepare('UPDATE marks SET checksum = ?').run(checksumOf(mark))
}

/**
 * A limit in shadow was counted as `a shadow /min`, as was the limit itself of one named
 * `a shadow`, and is now as `a /min shadow`. Which of both a row is of cannot be told: it goes on
 * as both.
 */
export function copyShadows(database: SqliteDatabase): void {
  const uses = database.prepareCells<CheckedCells>(
    `SELECT ${columns.join(', ')}, checksum FROM uses WHERE name LIKE '% shadow %'`,
  )
  const put = database.prepare(
    `INSERT INTO uses (${columns.join(', ')}, checksum) VALUES (${columns.map(() => '?').join(', ')}, ?)
      ON CONFLICT DO NOTHING`,
  )
  for (const checked of uses.all()) {
    // Without the checksum, the last, which a slice's type forgets.
    const [name, limit, ...rest] = checked.slice(0, columns.length) as unknown as UseCells
    const window = limit.replace(/^[\d ]+/, '')
    const former = ` shadow ${window}`
    const isWhole = checked.at(-1) === checksumOf([name, limit, ...rest])
    if (!isWhole || !name.endsWith(former)) continue
    const cells = [`${name.slice(0, -former.length)} ${window} shadow`, limit, ...rest]
    put.run(...cells, checksumOf(cells))
  }
}

type MarkCells = readonly [steady: number, wall: number]

export function createUsageTable(database: SqliteDatabase): UsageTable {
  const list = [...columns, 'checksum'].join(', ')
  const select = (rest: string) => database.prepareCells<CheckedCells>(`SELECT ${list} FROM uses ${rest}`)
  const find = select('NOT INDEXED WHERE name = ?')
  const findAgain = database.prepare('SELECT 1 FROM uses INDEXED BY uses_again WHERE name = ?')
  const findWithReserve = select('WHERE spare > 0')
  const findAfter = select('WHERE name > ? ORDER BY name LIMIT ?')
  const findNames = database.prepareCells<[string]>(
    'SELECT name FROM uses WHERE name > ? ORDER BY name LIMIT ?',
  )
  const updates = [...columns.slice(1), 'checksum'].map((column) => `${column} = excluded.${column}`)
  const put = database.prepare(
    `INSERT INTO uses (${list}) VALUES (${columns.map(() => '?').join(', ')}, ?)
      ON CONFLICT (name) DO UPDATE SET ${updates.join(', ')}`,
  )
  const remove = database.prepare('DELETE FROM uses WHERE name = ?')
  const findMark = database.prepareCells<[...MarkCells, checksum: number | null]>(
    'SELECT steady, wall, checksum FROM marks',
  )
  const putMark = database.prepare(
    'INSERT OR REPLACE INTO marks (id, steady, wall, checksum) VALUES (1, ?, ?, ?)',
  )
  return {
    find(name) {
      const cells = find.get(name)
      if (cells === undefined && findAgain.get(name) !== undefined) throw damaged(name)
      return cells && decodeUse(cells)
    },
    put(use) {
      const cells = encodeUse(use)
      put.run(...cells, checksumOf(cells))
    },
    remove: (name) => void remove.run(name),
    listWithReserve: () => findWithReserve.all().map(decodeUse),
    listAfter: (name, limit) => findAfter.all(name, limit).map(decodeUse),
    listNamesAfter: (name, limit) => findNames.all(name, limit).map(([found]) => found),
    findMark() {
      const mark = findMark.get()
      if (mark === undefined) return undefined
      const [steady, wall, checksum] = mark
      if (checksum !== checksumOf([steady, wall])) throw damaged('the time')
      return { steady, wall }
    },
    putMark: ({ steady, wall }) => void putMark.run(steady, wall, checksumOf([steady, wall])),
  }
}

function damaged(name: string): Fault {
  return new Fault('limiter_unavailable', `${name}: its row is not the one that was written`)
}

function encodeUse({ name, limit, at, reserve, count }: StoredUsage): readonly SqlValue[] {
  const common = [name, limit, at, reserve]
  if (count.kind === 'calendar') return [...common, null, count.beginsAt, count.since, count.used]
  const { buffer, byteOffset, byteLength } = count.cells
  return [...common, new Uint8Array(buffer, byteOffset, byteLength), null, null, null]
}

type CheckedCells = readonly [...UseCells, checksum: number | null]

function decodeUse(checked: CheckedCells): StoredUsage {
  const [name, limit, at, reserve, cells, beginsAt, since, used, checksum] = checked
  if (checksum !== checksumOf(checked.slice(0, columns.length))) throw damaged(name)
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
