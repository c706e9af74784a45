import type { KeyObject } from 'node:crypto'
import { parsePeppers } from '../../secrets/peppers.ts'
import { fail, messageOf, ok } from '../finding.ts'
import type { FleetNode, StorageFinding, StorageInspection } from '../storage.ts'
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
  const openKeys = async (pepper: string | undefined): Promise<Pick<Keys, 'findKey' | 'close'>> => {
    await prepareSchema(url, 'never')
    const postgres = await openPostgres({ url, fault: 'store_unavailable', connectionsMax: 2 })
    try {
      const peppers = parsePeppers(pepper ?? '', 'the environment')
      const keys = await openPostgresKeyStore({ postgres, url, peppers, clock: Date.now })
      return closingWith(postgres, keys)
    } catch (error) {
      await postgres.close()
      throw error
    }
  }
  const nodes = async (): Promise<readonly FleetNode[]> => {
    const postgres = await openPostgres({ url, fault: 'store_unavailable', connectionsMax: 1 })
    try {
      return await listNodes(postgres)
    } finally {
      await postgres.close()
    }
  }
  return {
    async findings({ pepper }) {
      const found = await findServer(url)
      const isThere = found.every(({ status }) => status !== 'fail')
      return isThere ? [...found, await checkKeys(() => openKeys(pepper)), checkNodes(await nodes())] : found
    },
    openKeys: ({ pepper }) => openKeys(pepper),
    ledger: inspectPostgresLedger({ url, name, signingKey }),
    nodes,
  }
}

/** Whether the keys are those of this pepper, and none is missing or older than it should be. */
async function checkKeys(open: () => Promise<Pick<Keys, 'close'>>): Promise<StorageFinding> {
  try {
    await (await open()).close()
    return ok('keys', 'as they were written, under the pepper that is given')
  } catch (error) {
    return fail('keys', messageOf(error), 'give every node the pepper that the keys were made with')
  }
}

function checkNodes(nodes: readonly FleetNode[]): StorageFinding {
  const live = nodes.filter(({ isLive }) => isLive).length
  return ok('nodes', live === 0 ? 'none is live' : `${live} live`)
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
