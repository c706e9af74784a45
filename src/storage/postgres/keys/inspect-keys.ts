import { SetupError } from '../../../core/setup-error.ts'
import type { KeyStore } from '../../../keys/store/key-store.ts'
import { checkPeppers } from '../../../keys/verify/check-peppers.ts'
import type { Peppers } from '../../../secrets/peppers.ts'
import { createRowMacs } from '../../../secrets/row-macs.ts'
import { noTelemetry } from '../../../telemetry/telemetry.ts'
import { createBelievedRows } from '../../keys/believed-rows.ts'
import { refuseUnendedCopy } from '../copy/copy-state.ts'
import type { Postgres } from '../postgres.ts'
import { isStorable } from '../storable-text.ts'
import { createKeyLookups } from './key-lookups.ts'
import { createPrimaryReads } from './primary-reads.ts'
import { createSettingTable } from './setting-table.ts'
import { findLostRows } from './watch-rows.ts'

/**
 * Checks a fleet's keys as `openPostgresKeyStore` does, and finds some. Writes nothing: a pepper
 * must not become the deployment's by being looked with.
 *
 * @throws SetupError and Fault as `openPostgresKeyStore`
 */
export async function inspectKeys(postgres: Postgres, peppers: Peppers): Promise<Pick<KeyStore, 'findKey'>> {
  const { schema, name, query } = postgres
  await refuseUnendedCopy(postgres)
  const settings = createSettingTable(query, schema)
  await checkPeppers({ ...settings, addSetting: async (_name, value) => value }, peppers)
  if (!(await hasBeenOpened(postgres))) return { findKey: async () => undefined }
  const macs = createRowMacs(peppers)
  const lost = await findLostRows(postgres, macs)
  if (lost !== undefined) throw new SetupError('data_corrupt', `${name}: ${lost}; restore a backup`)
  const rows = createBelievedRows(macs, noTelemetry, name)
  const reads = createPrimaryReads(query, schema, name, rows, () => {})
  const { find } = createKeyLookups(reads, schema, rows)
  return { findKey: async (id) => (isStorable(id) ? find(id) : undefined) }
}

/** Whether a node or a command has: before there is no counter of changes, and no key. */
async function hasBeenOpened({ query, schema }: Postgres): Promise<boolean> {
  const tables = ['changes', 'keys', 'owners'].map((table) => `EXISTS (SELECT FROM ${schema}.${table})`)
  const [found] = await query<{ readonly is_opened: boolean }>(`SELECT ${tables.join(' OR ')} AS is_opened`)
  return found?.is_opened === true
}
