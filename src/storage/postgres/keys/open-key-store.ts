import { processScheduler, type Scheduler } from '../../../core/scheduler.ts'
import { SetupError } from '../../../core/setup-error.ts'
import type { Clock } from '../../../core/time.ts'
import { checkPeppers } from '../../../keys/check-peppers.ts'
import type { Peppers } from '../../../secrets/peppers.ts'
import { createRowMacs, type RowMacs } from '../../../secrets/row-macs.ts'
import { noTelemetry, type Telemetry } from '../../../telemetry/telemetry.ts'
import { createBelievedRows } from '../../keys/believed-rows.ts'
import { refuseUnendedCopy } from '../copy/copy-state.ts'
import type { Postgres, Query } from '../postgres.ts'
import type { CounterRow } from './change-counter.ts'
import { openChangeListener } from './change-listener.ts'
import { createPostgresKeyStore, type PostgresKeyStore } from './key-store.ts'
import { createSettingTable } from './setting-table.ts'

export interface OpenPostgresKeyStoreOptions {
  /** With the tables of `keysSchema`. The caller closes it, after the store. */
  readonly postgres: Postgres
  /** The same database, for the connection that listens. */
  readonly url: string
  readonly peppers: Peppers
  /** Decides which stored answers have expired. */
  readonly clock: Clock
  /** @default none */
  readonly telemetry?: Telemetry | undefined
  /** @default the process's own timers */
  readonly scheduler?: Scheduler | undefined
}

/**
 * Opens the keys of a fleet as far as they can be believed: under the peppers that they were made
 * with, and each row as it was written last.
 *
 * @throws SetupError `pepper_missing`, `pepper_mismatch`; `data_corrupt` if a row is missing or was
 *   put back as it was before; `database_unsuitable` while a folder is copied into it
 * @throws Fault `store_unavailable`
 */
export async function openPostgresKeyStore(options: OpenPostgresKeyStoreOptions): Promise<PostgresKeyStore> {
  const { postgres, url, peppers, clock } = options
  const { telemetry = noTelemetry, scheduler = processScheduler } = options
  const { schema, name, query } = postgres
  // Before a setting is written, and after: a copy that begins in between finds the setting.
  await refuseUnendedCopy(postgres)
  await checkPeppers(createSettingTable(query, schema), peppers)
  await refuseUnendedCopy(postgres)
  const macs = createRowMacs(peppers)
  await query(
    `INSERT INTO ${schema}.changes (id, number, total, mac) VALUES (1, 0, 0, $1) ON CONFLICT DO NOTHING`,
    [macs.of('changes', [0, 0])],
  )
  await postgres.transaction(
    (within) => checkChanges(within, postgres, macs),
    'ISOLATION LEVEL REPEATABLE READ READ ONLY',
  )
  const listener = await openChangeListener({ postgres, url, scheduler, telemetry })
  return createPostgresKeyStore({
    postgres,
    rows: createBelievedRows(macs, telemetry, name),
    listener,
    clock,
  })
}

/** Rows that one statement adds up, so that it ends in its time. */
const summedAtOnce = 20_000

async function checkChanges(query: Query, { schema, name }: Postgres, macs: RowMacs): Promise<void> {
  const [row] = await query<CounterRow>(`SELECT number, total, mac FROM ${schema}.changes WHERE id = 1`)
  if (row === undefined || !macs.isOf('changes', [row.number, row.total], row.mac))
    throw new SetupError(
      'data_corrupt',
      `${name}: the counter of changes is not as it was written; restore a backup`,
    )
  const total = (await sumChanges(query, `${schema}.keys`)) + (await sumChanges(query, `${schema}.owners`))
  if (total !== row.total)
    throw new SetupError(
      'data_corrupt',
      `${name}: rows of keys are missing, or stand as they were before a later change; restore a backup`,
    )
}

/** The sum of the numbers in all rows. */
async function sumChanges(query: Query, table: string): Promise<number> {
  let total = 0
  let last: number | null = 0
  while (last !== null) {
    const [part]: readonly { readonly total: number; readonly last: number | null }[] = await query(
      `SELECT coalesce(sum(change), 0)::bigint AS total, max(change) AS last FROM (
          SELECT change FROM ${table} WHERE change > $1 ORDER BY change LIMIT ${summedAtOnce}
        ) AS next_ones`,
      [last],
    )
    total += part?.total ?? 0
    last = part?.last ?? null
  }
  return total
}
