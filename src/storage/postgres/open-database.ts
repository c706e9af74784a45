import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { Fault } from '../../core/fault.ts'
import { packageVersion } from '../../core/runtime/package-version.ts'
import { processScheduler } from '../../core/scheduler.ts'
import { SetupError } from '../../core/setup-error.ts'
import type { Clock } from '../../core/time.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { EpochStore } from '../../limits/epoch-store.ts'
import type { KeptUsesStore } from '../../limits/kept-uses.ts'
import type { Peppers } from '../../secrets/peppers.ts'
import { createRowMacs } from '../../secrets/row-macs.ts'
import type { SigningKeys } from '../../secrets/signing-key.ts'
import { noTelemetry } from '../../telemetry/telemetry.ts'
import type { JobStore } from '../job-store.ts'
import { compareSigningKey, storeSigningKey } from '../keys/check-signing-key.ts'
import { createLazyLedger } from '../lazy-ledger.ts'
import type { StorageOptions } from '../storage.ts'
import { openDatabaseClock } from './database-clock.ts'
import { openPostgresJobStore, type PostgresJobStoreOptions } from './jobs/job-store.ts'
import type { PostgresKeyStore } from './keys/key-store.ts'
import { openPostgresKeyStore } from './keys/open-key-store.ts'
import { createSettingTable } from './keys/setting-table.ts'
import { openPostgresLedger } from './ledger/ledger.ts'
import { createEpochTable } from './limits/epoch-table.ts'
import { createKeptUsesTable } from './limits/kept-uses.ts'
import { type FleetNodes, joinNodes, listNodes } from './nodes.ts'
import { commandDeadlines, openPostgres, type Postgres, type PostgresOptions } from './postgres.ts'
import { prepareSchema, schemaVersion } from './schema.ts'
import { createStoreOutage, type StoreReport } from './store-outage.ts'

/** All that a fleet stores in its database, and the nodes that use it. */
export interface Database {
  /** Names the deployment: a UUID. */
  readonly deployment: string
  readonly keys: PostgresKeyStore
  readonly ledger: Ledger | undefined
  readonly jobs: JobStore | undefined
  readonly epochs: EpochStore
  readonly kept: KeptUsesStore
  readonly nodes: FleetNodes
  /** The database's own. */
  readonly clock: Clock
  /** @throws Fault `ledger_unavailable`, `store_unavailable`, by rejecting */
  readonly ensureWritable: () => Promise<void>
  readonly close: () => Promise<void>
}

export interface OpenDatabaseOptions extends StorageOptions {
  readonly peppers: Peppers
  /** Needed with a ledger. */
  readonly signingKeys: SigningKeys | undefined
}

/**
 * Opens a fleet's database; a schema that is missing is created where `create` says so.
 *
 * @throws SetupError `data_missing`, `data_newer`, `data_corrupt`, `pepper_*`, `database_*`,
 *   `signing_key_mismatch`
 * @throws Fault `store_unavailable`
 */
export async function openDatabase(
  {
    databaseUrl: url,
    migrate = 'auto',
  }: { readonly databaseUrl: string; readonly migrate?: 'auto' | 'never' | undefined },
  options: OpenDatabaseOptions,
): Promise<Database> {
  const { peppers, telemetry = noTelemetry, scheduler = processScheduler } = options
  const { deployment } = await prepareSchema(url, options.create ? migrate : 'never')
  const opened: Closing[] = []
  const close = async (): Promise<void> => {
    for (const store of opened.splice(0).toReversed()) await store.close()
  }
  function closing<Store extends Closing>(store: Store): Store {
    opened.push(store)
    return store
  }
  try {
    const report = createStoreOutage(telemetry, scheduler)
    const asked = { url, fault: 'store_unavailable', report } as const
    const postgres = closing(await openPostgres({ ...asked, ...deadlinesOf(options) }))
    const shared = { postgres, url, telemetry, scheduler, report }
    const databaseClock = await openDatabaseClock(shared)
    closing({ close: async () => databaseClock.stop() })
    const clock = options.clock ?? databaseClock.clock
    const nodes = await openNodes(postgres, options)
    closing({ close: nodes.end })
    const signing = options.ledger === 'none' ? undefined : options.signingKeys
    // Before anything is stored: of what a mistake leaves behind, a right start would be refused.
    if (signing !== undefined)
      await compareSigningKey(createSettingTable(postgres.query, postgres.schema), signing)
    const keys = closing(await openPostgresKeyStore({ ...shared, peppers, clock }))
    if (signing !== undefined && isNode(options)) await storeSigningKey(keys, signing)
    const apart = closing(createClosedTogether())
    const { ledger, ensureWritable } = await openLedger(url, nodes, { ...options, clock, report })
    apart.add(ledger)
    const macs = createRowMacs(peppers)
    const jobs =
      options.jobs === true ? await openJobs({ ...shared, node: nodes.id, macs }, apart.add) : undefined
    report.begin()
    closing({ close: async () => report.stop() })
    return {
      ...{ deployment, keys, ledger, jobs, nodes, clock, close },
      epochs: createEpochTable(postgres),
      kept: createKeptUsesTable(postgres),
      async ensureWritable() {
        if (databaseClock.isFarOff())
          throw new Fault(
            'store_unavailable',
            'this machine’s clock is more than a minute off the database’s',
          )
        await ensureWritable?.()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

interface Closing {
  readonly close: () => Promise<void>
}

/** Stores on connections of their own: where the database is out, none waits for another's end. */
function createClosedTogether(): Closing & { readonly add: (store: Closing | undefined) => void } {
  const stores: Closing[] = []
  return {
    add(store) {
      if (store !== undefined) stores.push(store)
    },
    async close() {
      await Promise.all(stores.map((store) => store.close()))
    },
  }
}

/**
 * On connections of their own: what owners do with their jobs, however much it is, keeps no node
 * from hearing which keys are revoked, and no request from its limits.
 */
async function openJobs(
  options: PostgresJobStoreOptions & { readonly report: StoreReport },
  closing: (store: Closing) => void,
): Promise<JobStore> {
  const { url, report } = options
  const postgres = await openPostgres({ url, fault: 'store_unavailable', report })
  try {
    const jobs = await openPostgresJobStore({ ...options, postgres })
    closing({ close: () => jobs.close().finally(postgres.close) })
    return jobs
  } catch (error) {
    await postgres.close()
    throw error
  }
}

function deadlinesOf(options: StorageOptions): Pick<PostgresOptions, 'queryTimeoutMs' | 'connectTimeoutMs'> {
  return isCommand(options) ? commandDeadlines : {}
}

function isCommand({ ledger }: StorageOptions): boolean {
  return typeof ledger === 'object' && ledger.isLazy === true
}

/** A command is no node: nothing counts on it. */
function isNode(options: StorageOptions): boolean {
  return (options.storeUsage ?? 'never') !== 'never' && !isCommand(options)
}

async function openNodes(postgres: Postgres, options: StorageOptions): Promise<FleetNodes> {
  const { scheduler, telemetry } = options
  if (isNode(options)) {
    const own = { name: hostname(), version: packageVersion, schemaKnown: schemaVersion }
    return joinNodes({ ...own, postgres, scheduler, telemetry })
  }
  return { id: randomUUID(), list: () => listNodes(postgres), liveCount: () => 1, end: async () => {} }
}

interface OpenedLedger {
  readonly ledger: Ledger | undefined
  readonly ensureWritable?: () => Promise<void>
}

async function openLedger(
  url: string,
  nodes: FleetNodes,
  options: OpenDatabaseOptions & { readonly report: StoreReport },
): Promise<OpenedLedger> {
  const { ledger = {}, signingKeys, clock, monotonic, scheduler, telemetry, report } = options
  if (ledger === 'none') return { ledger: undefined }
  if (signingKeys === undefined) throw new SetupError('config_invalid', 'a ledger needs a signing key')
  const { keepMs, usageKeepMs, bytesMax, isLazy = false, onCheckpoint } = ledger
  const open = () =>
    openPostgresLedger({
      signingKey: signingKeys.key,
      ...{ url, clock, monotonic, scheduler, telemetry, report, onCheckpoint },
      node: nodes.id,
      liveNodes: async () => new Set((await nodes.list()).filter(({ isLive }) => isLive).map(({ id }) => id)),
      retention: { ageMs: keepMs, usageMs: usageKeepMs, bytes: bytesMax },
      streamPerCommit: isLazy,
    })
  if (isLazy) return { ledger: createLazyLedger(open) }
  const opened = await open()
  return { ledger: opened, ensureWritable: opened.ensureWritable }
}
