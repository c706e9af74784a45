import { SetupError } from '../core/setup-error.ts'
import { type CopiedDigest, digestRows } from '../storage/copy/copied-digest.ts'
import {
  type CopiedRow,
  type CopiedTable,
  copiedBlocks,
  copiedTables,
} from '../storage/copy/copied-tables.ts'
import type { CopySource } from '../storage/copy/copy-source.ts'
import { type DamagedCopyRow, damagedRows } from '../storage/copy/damaged-rows.ts'
import type { CopiedHistoryMode, CopyState } from '../storage/postgres/copy/copy-state.ts'
import { type CopyTarget, openCopyTarget } from '../storage/postgres/copy/open-copy-target.ts'
import { openCopySource } from '../storage/sqlite/copy/open-copy-source.ts'
import { dataMoved } from '../storage/sqlite/moved-file.ts'

export interface CopyOptions {
  /** Path of a data folder. */
  readonly from: string
  readonly databaseUrl: string
  /** What the fleet is given: they have to be the folder's own. */
  readonly pepper: string | undefined
  readonly signingKey: string | undefined
  readonly history: CopiedHistoryMode
  /**
   * Whether rows that are not the ones that were written are left out. @default they are an error
   */
  readonly skipsDamaged?: boolean | undefined
  /** Called with each table before its rows are copied. */
  readonly onTable?: ((name: string) => void) | undefined
  /** Called as soon as nodes may start, with how many blocks are to follow behind; now and then. */
  readonly onBehind?: ((blocks: number) => void) | undefined
}

/** One table on both sides. */
export interface CopiedCheck {
  readonly table: string
  readonly source: CopiedDigest
  readonly target: CopiedDigest
  readonly isSame: boolean
}

/** What a copy came to. */
export interface CopyReport {
  /** Names without a password. */
  readonly from: string
  readonly to: string
  /** Whether an earlier copy had ended: nothing was read or written then. */
  readonly wasDone: boolean
  /** Whether the database is the deployment now: nodes may start, and the folder is marked. */
  readonly isMoved: boolean
  readonly tables: readonly CopiedCheck[]
  /** Rows that were left out, because they are not the ones that were written. */
  readonly damaged: readonly DamagedCopyRow[]
}

/** What the database keeps of a copy that has ended. */
type EndedCopy = Pick<CopyReport, 'tables' | 'damaged'>

/**
 * Copies a data folder into a fleet's database, and marks the folder: from then on the database is
 * the deployment. Stopped at any moment it goes on where it stopped when it is called again, and
 * changes nothing that is there. A folder is not marked, nor the database opened by nodes, as long
 * as a table differs. A history that follows behind comes when that is done, the newest block
 * first, and is compared at the end.
 *
 * @throws SetupError `data_*`, `pepper_*`, `config_invalid`, `database_*`, `peer_missing`
 * @throws Fault `store_unavailable`
 */
export async function copyDeployment(options: CopyOptions): Promise<CopyReport> {
  const { from, databaseUrl, pepper, signingKey } = options
  const source = await openCopySource(from, { pepper, signingKey })
  try {
    const target = await openCopyTarget(databaseUrl)
    try {
      return await copyAll(source, target, options)
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

async function copyAll(source: CopySource, target: CopyTarget, options: CopyOptions): Promise<CopyReport> {
  const names = { from: source.name, to: target.name }
  const before = await target.state()
  if (source.movedTo !== undefined && before?.source !== source.id)
    throw dataMoved(source.name, source.movedTo)
  const { history } = options
  const done = (before?.ended ?? undefined) as EndedCopy | undefined
  const skipped = done?.damaged ?? findDamaged(source, options)
  const state = await target.claim({ source: source.id, history, steadyNow: source.steadyNow() })
  if (state.history !== history)
    throw new SetupError(
      'config_invalid',
      `the copy into ${target.name} was begun with --history ${state.history}; go on with that`,
    )
  const tables = done?.tables ?? (await copyTables(source, target, state, options))
  const report = { ...names, damaged: skipped, tables }
  if (!tables.every(({ isSame }) => isSame)) return { ...report, wasDone: false, isMoved: false }
  if (done === undefined || source.movedTo === undefined) {
    // In this order: killed in between, neither a server nor a node serves, and a copy goes on.
    source.markMoved(target.name)
    if (done === undefined)
      await target.end(state, { tables, damaged: skipped } satisfies EndedCopy, source.publicKey)
  }
  const blocks = await bringHistory(source, target, options)
  if (blocks === undefined) return { ...report, wasDone: done !== undefined, isMoved: true }
  const all = tables.map((check) => (check.table === blocks.table ? blocks : check))
  if (blocks.isSame) await target.history.end(state, { tables: all, damaged: skipped } satisfies EndedCopy)
  return { ...report, wasDone: false, isMoved: true, tables: all }
}

/**
 * Before a row is written. @throws SetupError `data_corrupt` that names them, unless they are left
 * out
 */
function findDamaged(source: CopySource, { skipsDamaged = false }: CopyOptions): readonly DamagedCopyRow[] {
  const found = source.findDamaged()
  if (found.length > 0 && !skipsDamaged) throw damagedRows(source.name, found)
  return found
}

/** Copies all that has to be there before nodes may start, and compares it. */
async function copyTables(
  source: CopySource,
  target: CopyTarget,
  state: CopyState,
  { history, onTable }: CopyOptions,
): Promise<readonly CopiedCheck[]> {
  const tables = copiedTables.filter((table) => history !== 'none' || !table.isHistory)
  const front = history === 'behind' ? frontOf(source) : 0
  const behindOf = (table: CopiedTable): CopiedRow | undefined =>
    table === copiedBlocks && front > 0 ? [front - 1] : undefined
  for (const table of tables) {
    onTable?.(table.name)
    await copyTable(table, source, target, state, behindOf(table))
  }
  const checks: CopiedCheck[] = []
  for (const table of tables) checks.push(await checkTable(table, source, target, state, behindOf(table)))
  const toCome = source.history?.measureBelow(front)
  if (toCome !== undefined && toCome.blocks > 0) await target.history.begin({ front, ...toCome })
  return checks
}

/**
 * The first block that does not follow behind: with it come all records that no sum of usage
 * counts, from which nodes go on, and the newest, behind which they number theirs.
 */
function frontOf({ history }: CopySource): number {
  return history === undefined ? 0 : Math.min(history.summedUp() + 1, history.newest())
}

/** Undefined where none is to come. */
async function bringHistory(
  source: CopySource,
  target: CopyTarget,
  { onBehind }: CopyOptions,
): Promise<CopiedCheck | undefined> {
  const { history } = source
  let arriving = await target.history.arriving()
  if (arriving === undefined || history === undefined) return undefined
  for (let next = 0; arriving !== undefined && arriving.front > 0; ) {
    if (performance.now() >= next) {
      onBehind?.(arriving.blocks)
      next = performance.now() + progressMs
    }
    const page = history.pageBelow(arriving.front)
    await target.history.add(arriving.front, Number(page.at(-1)?.[0] ?? 0), page)
    // Another run of this copy may have brought others.
    arriving = await target.history.arriving()
  }
  const newest = history.newest()
  const ours = await digestRows(source.rows(copiedBlocks, noClock))
  const theirs = await digestRows(upTo(newest, target.rows(copiedBlocks).read()))
  return compare(copiedBlocks, ours, theirs)
}

/** Milliseconds between two words of how far it is. */
const progressMs = 10_000

/** Blocks are as they are, whatever the clocks show. */
const noClock = { shiftMs: 0, now: 0 }

/** Behind them come those of nodes. */
async function* upTo(id: number, rows: AsyncIterable<CopiedRow>): AsyncGenerator<CopiedRow> {
  for await (const row of rows) {
    if (Number(row[0]) > id) return
    yield row
  }
}

async function copyTable(
  table: CopiedTable,
  source: CopySource,
  target: CopyTarget,
  state: CopyState,
  behind: CopiedRow | undefined,
): Promise<void> {
  const rows = target.rows(table)
  // What is there came in this order.
  const last = table.fills === 'put' ? undefined : await rows.last()
  await rows.write(source.rows(table, state, last ?? behind))
  await rows.numberOn()
}

async function checkTable(
  table: CopiedTable,
  source: CopySource,
  target: CopyTarget,
  state: CopyState,
  behind: CopiedRow | undefined,
): Promise<CopiedCheck> {
  const ours = await digestRows(source.rows(table, state, behind))
  return compare(table, ours, await digestRows(target.rows(table).read(behind)))
}

function compare(table: CopiedTable, source: CopiedDigest, target: CopiedDigest): CopiedCheck {
  const isSame = source.rows === target.rows && source.digest === target.digest
  return { table: table.name, source, target, isSame }
}
