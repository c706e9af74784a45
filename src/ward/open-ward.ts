import type { Storage, StorageOptions } from '../storage/storage.ts'
import { openStorage, type StoragePlace } from './open-storage.ts'
import { createWard, type Ward, type WardOptions } from './ward.ts'

/** Where a deployment is stored, how that is opened, and the ward over it. */
export type OpenWardOptions<Required extends boolean = boolean> = StoragePlace &
  Omit<StorageOptions, 'jobs'> &
  WardOptions<Required>

export interface OpenWard<Required extends boolean = boolean> {
  readonly ward: Ward<Required>
  /** Closed with the ward. */
  readonly storage: Storage
}

/** Opens a deployment: its storage, and the ward over it. @throws SetupError */
export async function openWard<Required extends boolean>(
  options: OpenWardOptions<Required>,
): Promise<OpenWard<Required>> {
  const storage = await openStorage(options, { ...options, jobs: options.jobs !== undefined })
  try {
    return { ward: await createWard(storage, options), storage }
  } catch (error) {
    await storage.close()
    throw error
  }
}
