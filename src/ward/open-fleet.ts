import { Fault } from '../core/fault.ts'
import { processScheduler } from '../core/scheduler.ts'
import { SetupError } from '../core/setup-error.ts'
import { createInProcessLimiter } from '../limits/in-process/in-process-limiter.ts'
import type { Limiter } from '../limits/limiter.ts'
import { withOperationalShare } from '../limits/operational-loss.ts'
import { type Peppers, parsePeppers } from '../secrets/peppers.ts'
import { parseSigningKeys, type SigningKeys } from '../secrets/signing-key.ts'
import { inspectDatabase } from '../storage/postgres/inspect-database.ts'
import { type Database, openDatabase } from '../storage/postgres/open-database.ts'
import type { RedisLimiter } from '../storage/redis/redis-limiter.ts'
import type { Storage, StorageInspection, StorageOptions } from '../storage/storage.ts'
import { noTelemetry } from '../telemetry/telemetry.ts'

/** Where a fleet keeps what it stores, and what every node has to be given. */
export interface FleetPlace {
  /** `postgres://user:password@host:port/database?schema=name`. */
  readonly databaseUrl: string
  /** Needed where limits are counted. */
  readonly redisUrl?: string | undefined
  /** An Ed25519 private key, as `parseSigningKeys` reads it. Needed where records are signed. */
  readonly signingKey?: string | undefined
  /** What windows below an hour and `concurrent` do while Redis is out. @default 'closed' */
  readonly limiterLoss?: 'closed' | 'share' | 'open' | undefined
  /** Whether to bring the schema up to this version. @default 'auto' */
  readonly migrate?: 'auto' | 'never' | undefined
}

/**
 * Opens a fleet's storage: PostgreSQL for all that is stored, Redis for what is counted.
 *
 * @throws SetupError `config_invalid`, `pepper_*`, `signing_key_mismatch`, `data_missing`,
 *   `data_newer`, `database_*`, `redis_*`, `peer_missing`
 * @throws Fault `store_unavailable` where the database cannot be reached just now
 */
export async function openFleet(place: FleetPlace, options: StorageOptions): Promise<Storage> {
  const { peppers, signingKeys } = readSecrets(place, options)
  const counts = options.storeUsage !== undefined && options.storeUsage !== 'never'
  if (counts && place.redisUrl === undefined)
    throw new SetupError(
      'config_invalid',
      'a database URL needs a Redis URL beside it: a limiter per process would multiply every limit by the number of nodes',
    )
  const database = await openDatabase(place, { ...options, peppers, signingKeys })
  try {
    const limiter = counts ? await openLimiter(place, database, options) : countNothing(options)
    return gather(database, limiter, place, peppers)
  } catch (error) {
    await database.close()
    throw error
  }
}

/** Reads a fleet's storage: see `StorageInspection`. */
export function inspectFleet({ databaseUrl, redisUrl, signingKey }: FleetPlace): StorageInspection {
  const signingKeys = readSigningKeys(signingKey)
  const database = inspectDatabase({ url: databaseUrl, signingKeys })
  return {
    ...database,
    async findings(options) {
      const found = await database.findings(options)
      if (redisUrl === undefined) return found
      const { findRedis } = await import('../storage/redis/findings.ts')
      return [...found, ...(await findRedis(redisUrl))]
    },
  }
}

function readSecrets(
  { signingKey }: FleetPlace,
  { pepper, ledger }: StorageOptions,
): { readonly peppers: Peppers; readonly signingKeys: SigningKeys | undefined } {
  if (pepper === undefined)
    throw new SetupError(
      'pepper_missing',
      'a database URL needs MODELWARD_PEPPER beside it, the same on every node; for a new deployment: modelward secrets create',
    )
  if (signingKey === undefined && ledger !== 'none')
    throw new SetupError(
      'config_invalid',
      'a database URL needs MODELWARD_SIGNING_KEY beside it, the same on every node; for a new deployment: modelward secrets create',
    )
  return {
    peppers: parsePeppers(pepper, 'the environment'),
    signingKeys: readSigningKeys(signingKey),
  }
}

function readSigningKeys(text: string | undefined): SigningKeys | undefined {
  return text === undefined ? undefined : parseSigningKeys(text, 'the signing key')
}

async function openLimiter(
  { redisUrl = '', limiterLoss }: FleetPlace,
  { deployment, epochs, kept, nodes }: Database,
  { scheduler, monotonic, telemetry = noTelemetry }: StorageOptions,
): Promise<RedisLimiter> {
  const { openRedisLimiter } = await import('../storage/redis/redis-limiter.ts')
  const liveNodes = nodes.liveCount
  const limiter = await openRedisLimiter({
    ...{ url: redisUrl, deployment, epochs, kept, liveNodes, scheduler, monotonic, telemetry },
    loss: limiterLoss,
  })
  return { ...withOperationalShare(limiter, { liveNodes, scheduler }), isReady: limiter.isReady }
}

/** A command that asks for no limit. */
function countNothing({ clock, monotonic, scheduler }: StorageOptions): Limiter {
  return createInProcessLimiter({
    ...(clock && { clock }),
    ...(monotonic && { monotonic }),
    scheduler: scheduler ?? processScheduler,
  })
}

function gather(
  database: Database,
  limiter: Limiter & Partial<Pick<RedisLimiter, 'isReady'>>,
  place: FleetPlace,
  peppers: Peppers,
): Storage {
  const { keys, ledger, jobs, clock, nodes } = database
  const isClosedAtLoss = (place.limiterLoss ?? 'closed') === 'closed'
  return {
    keys,
    owners: keys,
    ledger,
    jobs,
    limiter,
    clock,
    nodes,
    secrets: { peppers },
    inspect: inspectFleet(place),
    degraded: () => [...(keys.hasDamage() ? ['keys'] : []), ...(limiter.isOut?.() ? ['limits'] : [])],
    // Keys and records are of one database: a backup of it is older or newer as a whole.
    restored: { recordedChange: 0, accept: async () => {} },
    isStalled: () => false,
    async ensureWritable() {
      await database.ensureWritable()
      if (isClosedAtLoss && limiter.isReady !== undefined && !(await limiter.isReady()))
        throw new Fault('limiter_unavailable', 'limits cannot be counted in Redis')
    },
    // It is a node since it was opened, and until its ledger has closed: one that is gone before
    // would leave a stream without an end.
    startServing: async () => ({ announce: () => {}, end: async () => {} }),
    async close() {
      await limiter.close()
      await database.close()
    },
  }
}
