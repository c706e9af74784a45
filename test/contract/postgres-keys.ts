import type { Scheduler } from '../../src/core/scheduler.ts'
import type { Peppers } from '../../src/secrets/peppers.ts'
import type { PostgresKeyStore } from '../../src/storage/postgres/keys/key-store.ts'
import { openPostgresKeyStore } from '../../src/storage/postgres/keys/open-key-store.ts'
import { openPostgres, type Postgres, type PostgresOptions } from '../../src/storage/postgres/postgres.ts'
import type { Telemetry } from '../../src/telemetry/telemetry.ts'
import { unhurried } from '../support/services.ts'
import { peppers } from './key-fixtures.ts'

export interface OpenedPostgresKeys {
  readonly store: PostgresKeyStore
  readonly postgres: Postgres
  readonly close: () => Promise<void>
}

/** Keys in the schema that a URL names, with connections of their own. */
export async function openPostgresKeys(
  url: string,
  options: {
    readonly peppers?: Peppers
    readonly clock?: () => number
    readonly telemetry?: Telemetry
    readonly scheduler?: Scheduler
    /** @default none of them is met on a busy machine */
    readonly deadlines?: Pick<PostgresOptions, keyof typeof unhurried>
  } = {},
): Promise<OpenedPostgresKeys> {
  const { deadlines = unhurried, ...ofKeys } = options
  const postgres = await openPostgres({
    ...{ url, fault: 'store_unavailable', connectionsMax: 4 },
    ...deadlines,
  })
  try {
    const store = await openPostgresKeyStore({ peppers, clock: Date.now, ...ofKeys, postgres, url })
    return {
      store,
      postgres,
      async close() {
        await store.close()
        await postgres.close()
      },
    }
  } catch (error) {
    await postgres.close()
    throw error
  }
}

const tables = ['imported_digests', 'keys', 'owners', 'answers', 'settings', 'changes']

/** As if it had just been made. */
export async function emptyKeys({ query, schema }: Pick<Postgres, 'query' | 'schema'>): Promise<void> {
  for (const table of tables) await query(`DELETE FROM ${schema}.${table}`)
}
