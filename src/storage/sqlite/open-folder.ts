import { processScheduler } from '../../core/scheduler.ts'
import { SetupError } from '../../core/setup-error.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { createInProcessLimiter } from '../../limits/in-process/in-process-limiter.ts'
import type { Limiter } from '../../limits/limiter.ts'
import { measureLimiter } from '../../limits/measured-limiter.ts'
import type { UsageStore } from '../../limits/usage-store.ts'
import { noMeasures } from '../../telemetry/measures.ts'
import { noTelemetry } from '../../telemetry/telemetry.ts'
import type { JobStore } from '../job-store.ts'
import { createLazyLedger } from '../lazy-ledger.ts'
import type { Storage, StorageOptions } from '../storage.ts'
import { type DataFolder, openDataFolder } from './data-folder.ts'
import { type AnsweringDisk, askDisk } from './disk/answering-disk.ts'
import { askDiskFirst } from './disk/ask-disk-first.ts'
import { createDiskOutage, type DiskOutage, type DiskReport, reportWrites } from './disk/disk-outage.ts'
import { leaveReserve } from './disk/leave-reserve.ts'
import { type DiskWatch, freeBytes, watchDisk } from './disk/watch-disk.ts'
import { clearHolder, dataInUse, noteHolder } from './holder-file.ts'
import { inspectFolder } from './inspect-folder.ts'
import { openSqliteLedger } from './ledger/ledger.ts'
import { openSqliteUsageStore } from './limits/usage-store.ts'
import { refuseMoved } from './moved-file.ts'
import { openKeys } from './open-keys.ts'
import { openSigningKey } from './signing-key.ts'

/**
 * Opens a deployment's storage in a data folder, which several processes may have open at once.
 *
 * @throws SetupError `data_*`, `config_invalid` (other users may enter the folder), `pepper_*`
 */
export async function openFolder(path: string, options: StorageOptions): Promise<Storage> {
  const folder = openDataFolder(path, { create: options.create })
  refuseMoved(folder.path)
  const opened: { readonly close: () => Promise<void> }[] = []
  const { asked, outage } = watchedDisk(folder, options)
  const close = async (): Promise<void> => {
    await Promise.all(opened.splice(0).map((store) => store.close()))
    await asked?.close()
    outage?.stop()
  }
  function closing<Store extends (typeof opened)[number] | undefined>(store: Store): Store {
    if (store !== undefined) opened.push(store)
    return store
  }
  try {
    // Before anything more is created in the folder.
    const { keys: stored, peppers, recordedChange } = await openKeys(folder, options)
    const keys = closing(asked === undefined ? stored : askDiskFirst(stored, asked))
    const usage = openUsage(folder, outage?.of('limits'), options)
    let isHolder = usage !== undefined
    if (isHolder) noteHolder(folder.path, null)
    // Before the locks are given back, as closing runs in this order.
    closing({
      async close() {
        if (isHolder) clearHolder(folder.path)
      },
    })
    closing(readFreeBytes(folder, options))
    const limiter = closing(openLimiter(usage, asked, options))
    const ledger = closing(await openLedger(folder, outage?.of('ledger'), options))
    const { jobs, disk } = await openJobs(folder, options, closing)
    // Not before: what keeps a start from opening the folder leaves it as it was.
    asked?.prepare()
    return {
      keys,
      owners: keys,
      ledger,
      jobs,
      limiter,
      secrets: {
        peppers,
        handOver(name, text) {
          folder.replaceSecretFile(name, text)
          return `${folder.path}/${name}`
        },
      },
      inspect: inspectFolder(folder.path),
      degraded: () => [
        ...(keys.hasDamage() ? ['keys'] : []),
        ...(limiter.isOut?.() ? ['limits'] : []),
        ...(disk?.isLow() ? ['jobs'] : []),
      ],
      ensureWritable: async () => asked?.ensureStores(),
      restored: { recordedChange, accept: () => keys.raiseChanges(recordedChange) },
      isStalled: () => ledger?.isStalled?.() === true || asked?.isStalled() === true,
      startServing: async () => {
        const lock = folder.lockForServer()
        isHolder = true
        noteHolder(folder.path, null)
        return {
          announce: (address) => noteHolder(folder.path, address),
          end: async () => lock.release(),
        }
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Has what is free on its disk read, where anyone reads it. */
function readFreeBytes({ path }: DataFolder, { telemetry }: StorageOptions): { close: () => Promise<void> } {
  const end = telemetry?.measures.figure('disk_free', () => freeBytes(path))
  return { close: async () => end?.() }
}

interface WatchedDisk {
  readonly asked?: AnsweringDisk
  readonly outage?: DiskOutage
}

/** Empty in a command, which holds nothing up while it waits, and says itself what fails. */
function watchedDisk({ path: folder }: DataFolder, options: StorageOptions): WatchedDisk {
  const { storeUsage = 'never', scheduler = processScheduler, clock, telemetry } = options
  if (storeUsage === 'never') return {}
  const { monotonic = () => performance.now() } = options
  const outage = createDiskOutage(telemetry, { scheduler, clock })
  return { asked: askDisk({ folder, scheduler, monotonic, report: outage.of('probe') }), outage }
}

async function openLedger(
  folder: DataFolder,
  disk: DiskReport | undefined,
  options: StorageOptions,
): Promise<Ledger | undefined> {
  const { ledger = {}, clock, monotonic, scheduler, telemetry = noTelemetry } = options
  if (ledger === 'none') return undefined
  const { keepMs, usageKeepMs, bytesMax, isLazy = false, onCheckpoint } = ledger
  const open = async (): Promise<Ledger> =>
    openSqliteLedger({
      file: folder.ledgerFile,
      signingKey: openSigningKey(folder, telemetry),
      retention: { ageMs: keepMs, usageMs: usageKeepMs, bytes: bytesMax },
      // A command: what it did and its signed end are one commit.
      streamPerCommit: isLazy,
      clock,
      monotonic,
      scheduler,
      onCheckpoint,
      telemetry,
      disk,
    })
  return isLazy ? createLazyLedger(open) : open()
}

interface OpenedJobs {
  readonly jobs: JobStore | undefined
  /** Undefined where no reserve is left to others. */
  readonly disk?: DiskWatch
}

/** The jobs, which leave the disk's reserve alone. */
async function openJobs(
  folder: DataFolder,
  options: StorageOptions,
  closing: <Store extends { readonly close: () => Promise<void> } | undefined>(store: Store) => Store,
): Promise<OpenedJobs> {
  const store = closing(await openJobStore(folder, options))
  const { diskReserveBytes: reserveBytes = 0, scheduler = processScheduler, telemetry } = options
  if (store === undefined || reserveBytes === 0) return { jobs: store }
  const { clock = Date.now } = options
  const onFull = async (): Promise<void> => {
    while ((await store.forgetExpired(clock(), forgottenAtOnce)) === forgottenAtOnce);
  }
  const disk = closing(await watchDisk({ folder: folder.path, reserveBytes, onFull, scheduler, telemetry }))
  return { jobs: leaveReserve(store, disk), disk }
}

/** Deleted in one commit: others wait for it. */
const forgottenAtOnce = 500

/** Imported on demand: most processes that open a folder have no jobs. */
async function openJobStore(
  { jobsFile }: DataFolder,
  { jobs = false, storeUsage = 'never', telemetry }: StorageOptions,
): Promise<JobStore | undefined> {
  if (!jobs) return undefined
  const { openSqliteJobStore } = await import('./jobs/job-store.ts')
  // A command is to be quick, and a server has looked, or will.
  return openSqliteJobStore({ file: jobsFile, isChecked: storeUsage !== 'never', telemetry })
}

function openLimiter(
  store: UsageStore | undefined,
  disk: AnsweringDisk | undefined,
  options: StorageOptions,
): Limiter {
  const { clock, monotonic, scheduler = processScheduler, telemetry } = options
  const ensureAnswers = disk?.ensureAnswers
  const limiter = createInProcessLimiter({ scheduler, store, ensureAnswers, clock, monotonic, telemetry })
  return measureLimiter(limiter, 'memory', telemetry?.measures ?? noMeasures)
}

/** Undefined if usage is not stored, or another process stores it. */
function openUsage(
  { path, limitsFile }: DataFolder,
  report: DiskReport | undefined,
  { storeUsage = 'never', clock, telemetry }: StorageOptions,
): UsageStore | undefined {
  if (storeUsage === 'never') return undefined
  try {
    const store = openSqliteUsageStore({ file: limitsFile, clock })
    return report === undefined ? store : reportWrites(store, report)
  } catch (error) {
    if (!(error instanceof SetupError) || error.code !== 'data_locked') throw error
    if (storeUsage === 'always') throw dataInUse(path, error)
    telemetry?.event('limiter.not_shared', {}, error)
    return undefined
  }
}
