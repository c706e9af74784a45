import { processScheduler, type Scheduler } from '../../../core/scheduler.ts'
import { SetupError } from '../../../core/setup-error.ts'
import type { Clock } from '../../../core/time.ts'
import { checkPeppers } from '../../../keys/verify/check-peppers.ts'
import type { Peppers } from '../../../secrets/peppers.ts'
import { createRowMacs } from '../../../secrets/row-macs.ts'
import { noTelemetry, type Telemetry } from '../../../telemetry/telemetry.ts'
import { createBelievedRows } from '../../keys/believed-rows.ts'
import { refuseUnendedCopy } from '../copy/copy-state.ts'
import type { Postgres } from '../postgres.ts'
import { openChangeListener } from './change-listener.ts'
import { createPostgresKeyStore, type PostgresKeyStore } from './key-store.ts'
import { createSettingTable } from './setting-table.ts'
import { findLostRows, watchRows } from './watch-rows.ts'

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
  const lost = await findLostRows(postgres, macs)
  if (lost !== undefined) throw new SetupError('data_corrupt', `${name}: ${lost}; restore a backup`)
  const listener = await openChangeListener({ postgres, url, scheduler, telemetry })
  const rows = createBelievedRows(macs, telemetry, name)
  const watch = watchRows({ postgres, macs, rows, scheduler })
  return createPostgresKeyStore({ postgres, rows, watch, listener, clock })
}
