import type { KeyObject } from 'node:crypto'
import { parsePeppers } from '../../secrets/peppers.ts'
import type { StorageInspection } from '../storage.ts'
import { parseDatabaseUrl } from './database-url.ts'
import { findServer } from './findings/server-findings.ts'
import { openPostgresKeyStore } from './keys/open-key-store.ts'
import { inspectPostgresLedger } from './ledger/inspect.ts'
import { listNodes } from './nodes.ts'
import { openPostgres, type Postgres } from './postgres.ts'
import { prepareSchema } from './schema.ts'

export interface InspectDatabaseOptions {
  readonly url: string
  readonly signingKey: KeyObject | undefined
}

/** Reads a fleet's database; each call opens what it needs. */
export function inspectDatabase({ url, signingKey }: InspectDatabaseOptions): StorageInspection {
  const { name } = parseDatabaseUrl(url)
  return {
    findings: () => findServer(url),
    async openKeys({ pepper }) {
      await prepareSchema(url, 'never')
      const postgres = await openPostgres({ url, fault: 'store_unavailable', connectionsMax: 2 })
      try {
        return closingWith(
          postgres,
          await openPostgresKeyStore({
            postgres,
            url,
            peppers: parsePeppers(pepper ?? '', 'the environment'),
            clock: Date.now,
          }),
        )
      } catch (error) {
        await postgres.close()
        throw error
      }
    },
    ledger: inspectPostgresLedger({ url, name, signingKey }),
    async nodes() {
      const postgres = await openPostgres({ url, fault: 'store_unavailable', connectionsMax: 1 })
      try {
        return await listNodes(postgres)
      } finally {
        await postgres.close()
      }
    },
  }
}

type Keys = Awaited<ReturnType<typeof openPostgresKeyStore>>

function closingWith(postgres: Postgres, keys: Keys): Pick<Keys, 'findKey' | 'close'> {
  return {
    findKey: keys.findKey,
    async close() {
      await keys.close()
      await postgres.close()
    },
  }
}
