import { SetupError } from '../core/setup-error.ts'
import { type CopiedDigest, digestRows } from '../storage/copy/copied-digest.ts'
import { type CopiedTable, copiedTables } from '../storage/copy/copied-tables.ts'
import type { CopySource } from '../storage/copy/copy-source.ts'
import type { CopyState } from '../storage/postgres/copy/copy-state.ts'
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
  /** Whether the records of the ledger are copied, and the sums of usage. */
  readonly hasHistory: boolean
  /** Called with each table before its rows are copied. */
  readonly onTable?: ((name: string) => void) | undefined
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
  readonly tables: readonly CopiedCheck[]
}

/**
 * Copies a data folder into a fleet's database, and marks the folder: from then on the database is
 * the deployment. Stopped at any moment it goes on where it stopped when it is called again, and
 * changes nothing that is there. A folder is not marked, nor the database opened by nodes, as long
 * as a table differs.
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

async function copyAll(
  source: CopySource,
  target: CopyTarget,
  { hasHistory, onTable }: CopyOptions,
): Promise<CopyReport> {
  const names = { from: source.name, to: target.name }
  const before = await target.state()
  if (source.movedTo !== undefined && before?.source !== source.id)
    throw dataMoved(source.name, source.movedTo)
  const state = await target.claim({ source: source.id, hasHistory, steadyNow: source.steadyNow() })
  if (state.hasHistory !== hasHistory)
    throw new SetupError(
      'config_invalid',
      `the copy into ${target.name} was begun ${state.hasHistory ? 'with' : 'without'} the ledger's history; go on with --history ${state.hasHistory ? 'now' : 'none'}`,
    )
  const done = state.ended as readonly CopiedCheck[] | null
  if (done !== null) {
    if (source.movedTo === undefined) source.markMoved(target.name)
    return { ...names, wasDone: true, tables: done }
  }
  const tables = copiedTables.filter((table) => hasHistory || !table.isHistory)
  for (const table of tables) {
    onTable?.(table.name)
    await copyTable(table, source, target, state)
  }
  const checks: CopiedCheck[] = []
  for (const table of tables) checks.push(await checkTable(table, source, target, state))
  if (checks.every(({ isSame }) => isSame)) {
    // In this order: killed in between, neither a server nor a node serves, and a copy goes on.
    source.markMoved(target.name)
    await target.end(state, checks, source.publicKey)
  }
  return { ...names, wasDone: false, tables: checks }
}

async function copyTable(
  table: CopiedTable,
  source: CopySource,
  target: CopyTarget,
  state: CopyState,
): Promise<void> {
  const rows = target.rows(table)
  // What is there came in this order.
  const last = table.fills === 'put' ? undefined : await rows.last()
  await rows.write(source.rows(table, state, last))
  await rows.numberOn()
}

async function checkTable(
  table: CopiedTable,
  source: CopySource,
  target: CopyTarget,
  state: CopyState,
): Promise<CopiedCheck> {
  const ours = await digestRows(source.rows(table, state))
  const theirs = await digestRows(target.rows(table).read())
  const isSame = ours.rows === theirs.rows && ours.digest === theirs.digest
  return { table: table.name, source: ours, target: theirs, isSame }
}
