import { randomUUID } from 'node:crypto'
import { SetupError } from '../core/setup-error.ts'
import { parseDatabaseUrl } from '../storage/postgres/database-url.ts'
import { type FolderIdentity, identifyFolder } from '../storage/sqlite/identify-folder.ts'
import type { LedgerInspection, Storage, StorageInspection, StorageOptions } from '../storage/storage.ts'
import type { FleetPlace } from './open-fleet.ts'

/** Where a deployment's storage is: in a data folder, or on a fleet's database and Redis. */
export interface StoragePlace extends Omit<FleetPlace, 'databaseUrl'> {
  /** Path of a data folder; of no meaning beside a `databaseUrl`. */
  readonly data?: string | undefined
  readonly databaseUrl?: string | undefined
}

/** Tells storages apart, by whatever path they are named, before they are opened and after. */
export function identifyStorage({ data, databaseUrl }: StoragePlace): FolderIdentity {
  if (databaseUrl !== undefined) return { path: parseDatabaseUrl(databaseUrl).name, content: undefined }
  return identifyFolder(pathOf(data))
}

/** What messages call a storage; nothing of it is secret. */
export function nameStorage(place: StoragePlace): string {
  return isFleet(place) ? parseDatabaseUrl(place.databaseUrl).name : pathOf(place.data)
}

/** Opens a deployment's storage. @throws SetupError */
export async function openStorage(place: StoragePlace, options: StorageOptions): Promise<Storage> {
  if (isFleet(place)) {
    const { openFleet } = await import('./open-fleet.ts')
    return openFleet(place, options)
  }
  const { openFolder } = await import('../storage/sqlite/open-folder.ts')
  return openFolder(pathOf(place.data), options)
}

/** Reads a deployment's storage without opening it: see `StorageInspection`. */
export async function inspectStorage(place: StoragePlace): Promise<StorageInspection> {
  if (isFleet(place)) {
    const { inspectFleet } = await import('./open-fleet.ts')
    return inspectFleet(place)
  }
  const { inspectFolder } = await import('../storage/sqlite/inspect-folder.ts')
  return inspectFolder(pathOf(place.data))
}

/**
 * Brings a fleet's database up to this version.
 *
 * @throws SetupError `config_invalid` for a data folder, which its server brings up to its version
 */
export async function migrateStorage(
  place: StoragePlace,
): Promise<{ readonly name: string; readonly version: number }> {
  if (!isFleet(place))
    throw new SetupError(
      'config_invalid',
      'expected a database URL: a data folder is migrated as it is opened',
    )
  const { prepareSchema } = await import('../storage/postgres/schema.ts')
  const { version } = await prepareSchema(place.databaseUrl)
  return { name: nameStorage(place), version }
}

/**
 * Has a fleet's nodes begin a new epoch of their limiter.
 *
 * @throws SetupError `config_invalid` for a data folder, `data_missing`
 * @throws Fault `store_unavailable`
 */
export async function resetLimiterEpoch(place: StoragePlace): Promise<void> {
  if (!isFleet(place))
    throw new SetupError('config_invalid', 'expected a database URL: a folder has no epoch')
  const [{ prepareSchema }, { commandDeadlines, openPostgres }, { createEpochTable, noRun }] =
    await Promise.all([
      import('../storage/postgres/schema.ts'),
      import('../storage/postgres/postgres.ts'),
      import('../storage/postgres/limits/epoch-table.ts'),
    ])
  await prepareSchema(place.databaseUrl, 'never')
  const postgres = await openPostgres({
    ...commandDeadlines,
    url: place.databaseUrl,
    fault: 'store_unavailable',
    connectionsMax: 1,
  })
  try {
    const epochs = createEpochTable(postgres)
    const row = await epochs.read()
    // Of no run of a server: whichever node sees it first begins one that is. Lost to another: so
    // does that one's.
    if (row !== undefined)
      await epochs.replace(row.epoch, { epoch: randomUUID(), runId: noRun, beganAt: row.beganAt })
  } finally {
    await postgres.close()
  }
}

/** Reads a copy of a ledger that was stored apart from its deployment. */
export async function inspectLedgerCopy(file: string): Promise<Pick<LedgerInspection, 'name' | 'verify'>> {
  const { inspectLedgerFile } = await import('../storage/sqlite/inspect-folder.ts')
  return inspectLedgerFile(file)
}

function isFleet(place: StoragePlace): place is FleetPlace {
  return place.databaseUrl !== undefined
}

function pathOf(data: string | undefined): string {
  if (data !== undefined) return data
  throw new SetupError('config_invalid', 'expected a data folder or a database URL, got neither')
}
