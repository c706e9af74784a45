import type { LoadedConfig } from '../../config/load-config.ts'
import { type OpenWardOptions, openWard } from '../../ward/open-ward.ts'
import type { Ward } from '../../ward/ward.ts'
import { placeOf } from '../common-options.ts'

/** How a command opens its deployment. */
export function commandWard(loaded: LoadedConfig): Omit<OpenWardOptions<true>, 'create'> {
  const { config } = loaded
  return {
    ...placeOf(loaded),
    schemes: [],
    format: { prefix: config.keyPrefix, environment: config.environment },
    changedBy: 'cli',
    // A command waits for its record, whatever the server's answers do.
    ledgerMode: 'before',
    // Most commands record nothing, and need no stream of their own.
    ledger: { isLazy: true },
  }
}

/**
 * Opens the deployment for one command, and closes it when the command is done.
 *
 * @param create whether to create a missing one; otherwise a missing one is `data_missing`
 */
export async function withKeys<T>(
  loaded: LoadedConfig,
  create: boolean,
  use: (ward: Ward) => Promise<T>,
  options: Pick<OpenWardOptions, 'storeUsage' | 'jobs'> = {},
): Promise<T> {
  const { ward } = await openWard({ ...commandWard(loaded), create, ...options })
  try {
    return await use(ward)
  } finally {
    await ward.close()
  }
}
