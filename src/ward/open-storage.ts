import { type FolderIdentity, identifyFolder } from '../storage/sqlite/identify-folder.ts'
import type { LedgerInspection, Storage, StorageInspection, StorageOptions } from '../storage/storage.ts'

/** Where a deployment's storage is. */
export interface StoragePlace {
  /** Path of a data folder. */
  readonly data: string
}

/** Tells storages apart, by whatever path they are named, before they are opened and after. */
export function identifyStorage({ data }: StoragePlace): FolderIdentity {
  return identifyFolder(data)
}

/** Opens a deployment's storage. @throws SetupError */
export async function openStorage({ data }: StoragePlace, options: StorageOptions): Promise<Storage> {
  const { openFolder } = await import('../storage/sqlite/open-folder.ts')
  return openFolder(data, options)
}

/** Reads a deployment's storage without opening it: see `StorageInspection`. */
export async function inspectStorage({ data }: StoragePlace): Promise<StorageInspection> {
  const { inspectFolder } = await import('../storage/sqlite/inspect-folder.ts')
  return inspectFolder(data)
}

/** Reads a copy of a ledger that was stored apart from its deployment. */
export async function inspectLedgerCopy(file: string): Promise<Pick<LedgerInspection, 'name' | 'verify'>> {
  const { inspectLedgerFile } = await import('../storage/sqlite/inspect-folder.ts')
  return inspectLedgerFile(file)
}
