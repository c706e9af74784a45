import { SetupError } from '../../../core/setup-error.ts'
import { ownSettings } from '../../copy/copied-tables.ts'
import type { CopiedClock } from '../../copy/copy-source.ts'
import { firstSigningKey } from '../../keys/check-signing-key.ts'
import type { Postgres, Query } from '../postgres.ts'

/**
 * What of the ledger comes along, and when: all of it before nodes may start (`now`), the records
 * that no sum of usage counts yet, and the others while nodes serve (`behind`), or nothing.
 */
export type CopiedHistoryMode = 'now' | 'behind' | 'none'

/** What a database says of the copy into it. */
export interface CopyState extends CopiedClock {
  /** Names the deployment that it is of. */
  readonly source: string
  readonly history: CopiedHistoryMode
  /** What it came to; undefined while it has not ended, and no node may open the database. */
  readonly ended: unknown
}

/** Undefined where nothing was copied. */
export async function readCopyState(query: Query, schema: string): Promise<CopyState | undefined> {
  const [row] = await query<{ readonly value: string }>(
    `SELECT value FROM ${schema}.settings WHERE name = $1`,
    [ownSettings.target],
  )
  return row && (JSON.parse(row.value) as CopyState)
}

/**
 * A node must not serve half of a deployment.
 *
 * @throws SetupError `database_unsuitable`
 */
export async function refuseUnendedCopy({
  query,
  schema,
  name,
}: Pick<Postgres, 'query' | 'schema' | 'name'>): Promise<void> {
  const state = await readCopyState(query, schema)
  if (state === undefined || (state.ended ?? undefined) !== undefined) return
  throw new SetupError(
    'database_unsuitable',
    `${name}: a folder is being copied into it and that has not ended; run modelward copy again`,
  )
}

/** A copy as its source asks for it. */
export interface WantedCopy extends Pick<CopyState, 'source' | 'history'> {
  readonly steadyNow: number
}

/** Tables that are empty as long as a database has no deployment. */
const tables = ['settings', 'keys', 'owners', 'jobs', 'stream', 'block', 'kept_uses']

/**
 * Makes an empty database the target of a copy; one that is it already stays so. Nodes that start
 * meanwhile write a setting first: they come before this, or not at all.
 *
 * @throws SetupError `database_foreign` where there is another deployment
 */
export async function claimDatabase(
  { transaction, schema, name }: Postgres,
  wanted: WantedCopy,
): Promise<CopyState> {
  const { source, history, steadyNow } = wanted
  return transaction(async (query) => {
    await query(`LOCK TABLE ${schema}.settings IN SHARE ROW EXCLUSIVE MODE`)
    const found = await readCopyState(query, schema)
    if (found?.source === source) return found
    const isEmpty = tables.map((table) => `NOT EXISTS (SELECT FROM ${schema}.${table})`).join(' AND ')
    const [row] = await query<{ readonly empty: boolean; readonly now: number }>(
      `SELECT ${isEmpty} AS empty, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now`,
    )
    if (row?.empty !== true)
      throw new SetupError(
        'database_foreign',
        `${name}: there is another deployment; name another schema with ?schema= in the database URL`,
      )
    const state = { source, history, shiftMs: Math.ceil(row.now - steadyNow), now: row.now, ended: null }
    await query(`INSERT INTO ${schema}.settings (name, value) VALUES ($1, $2)`, [
      ownSettings.target,
      JSON.stringify(state),
    ])
    return state
  }, 'ISOLATION LEVEL READ COMMITTED READ WRITE')
}

/** From here on nodes may open it, with the signing key of this public half. */
export async function endCopy(
  { query, schema }: Postgres,
  state: CopyState,
  ended: unknown,
  publicKey: string,
): Promise<void> {
  await query(
    `WITH signing AS (INSERT INTO ${schema}.settings (name, value) VALUES ($3, $4) ON CONFLICT DO NOTHING)
     UPDATE ${schema}.settings SET value = $2 WHERE name = $1`,
    [ownSettings.target, JSON.stringify({ ...state, ended }), firstSigningKey, publicKey],
  )
}

/** All that was to come is here: the index, retention and readers from the oldest record go on. */
export async function endHistory(
  { transaction, schema }: Postgres,
  state: CopyState,
  ended: unknown,
): Promise<void> {
  await transaction(async (query) => {
    await query(`DELETE FROM ${schema}.arriving`)
    await query(`UPDATE ${schema}.settings SET value = $2 WHERE name = $1`, [
      ownSettings.target,
      JSON.stringify({ ...state, ended }),
    ])
  })
}
