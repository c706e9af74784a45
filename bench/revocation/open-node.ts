import { apiKeyHeader } from '../../src/guard/scheme.ts'
import { createInProcessLimiter } from '../../src/limits/in-process/in-process-limiter.ts'
import { parsePeppers } from '../../src/secrets/peppers.ts'
import { openPostgresKeyStore } from '../../src/storage/postgres/keys/open-key-store.ts'
import { openPostgres } from '../../src/storage/postgres/postgres.ts'
import { gatherStorage } from '../../src/ward/test-ward.ts'
import { createWard, type Ward } from '../../src/ward/ward.ts'

const peppers = parsePeppers(`1:${Buffer.alloc(32, 7).toString('base64url')}`, 'the benchmark')

/** A ward over keys in PostgreSQL, without a ledger. */
export async function openNode(url: string): Promise<Ward> {
  const postgres = await openPostgres({ url, fault: 'store_unavailable' })
  const store = await openPostgresKeyStore({ postgres, url, peppers, clock: Date.now })
  const storage = gatherStorage({
    keys: {
      ...store,
      async close() {
        await store.close()
        await postgres.close()
      },
    },
    ledger: undefined,
    jobs: undefined,
    limiter: createInProcessLimiter({}),
    secrets: { peppers },
  })
  return createWard(storage, {
    schemes: [apiKeyHeader({ name: 'X-API-Key' })],
    format: { prefix: 'mw', environment: 'live' },
  })
}
