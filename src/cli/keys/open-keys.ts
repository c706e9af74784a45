import type { LoadedConfig } from '../../config/load-config.ts'
import { type OpenWardOptions, openWard } from '../../ward/open-folder.ts'
import type { Ward } from '../../ward/ward.ts'

/**
 * Opens the data folder for one command, and closes it when the command is done.
 *
 * @param create whether to make the folder where there is none; otherwise that is `data_missing`
 */
export async function withKeys<T>(
  { config, pepper }: LoadedConfig,
  create: boolean,
  use: (ward: Ward) => Promise<T>,
  options: Pick<OpenWardOptions, 'keepLimits' | 'folderJobs'> = {},
): Promise<T> {
  const { ward } = await openWard({
    data: config.data,
    create,
    ...(pepper === undefined ? {} : { pepper }),
    schemes: [],
    format: { prefix: config.keyPrefix, environment: config.environment },
    // A command is over before it would listen for changes.
    listenMs: 0,
    changedBy: 'cli',
    folderLedger: { isLazy: true },
    ledgerAddresses: config.ledgerAddresses,
    ...options,
    limitDefault: config.limitDefault,
    limitEveryone: config.limitEveryone,
  })
  try {
    return await use(ward)
  } finally {
    await ward.close()
  }
}
