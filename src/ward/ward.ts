import type { RequestHead } from '../core/request-head.ts'
import type { Clock } from '../core/time.ts'
import type { CallerOf } from '../guard/caller.ts'
import type { Demand } from '../guard/demand.ts'
import { createGuard, type Guard } from '../guard/guard.ts'
import { createKeyCache, type KeyCache } from '../guard/key-cache.ts'
import { createKeyCacheSync, type KeyCacheSync } from '../guard/key-cache-sync.ts'
import { createLimitStatus, type LimitStatus } from '../guard/limit-status.ts'
import type { Scheme } from '../guard/scheme.ts'
import { createSessions } from '../guard/session.ts'
import type { Verdict } from '../guard/verdict.ts'
import type { JobService } from '../jobs/job-service.ts'
import { checkPeppers } from '../keys/check-peppers.ts'
import { createKeyService, type KeyService } from '../keys/key-service.ts'
import type { KeyStore } from '../keys/key-store.ts'
import type { KeyFormat } from '../keys/key-text.ts'
import { createOwnerService, type OwnerService } from '../keys/owner-service.ts'
import { announceChanges } from '../keys/refresh-on-change.ts'
import { createSecretUpgrade } from '../keys/upgrade-secret.ts'
import type { LedgerReader } from '../ledger/ledger.ts'
import { createBadKeys } from '../limits/bad-key-limiter.ts'
import { createInProcessLimiter } from '../limits/in-process/in-process-limiter.ts'
import type { Limiter, LimitRefusal } from '../limits/limiter.ts'
import { createTakeLimits } from '../limits/take-limits.ts'
import type { Peppers } from '../secrets/peppers.ts'
import type { WebhookService } from '../webhooks/webhook-service.ts'
import { readWardLimits } from './limit-options.ts'
import type { KeptWardJobs, WardJobs } from './ward-jobs.ts'
import { createWardRecorder, type WardLedgerOptions } from './ward-ledger.ts'

/**
 * The guard and the keys of one deployment, whatever store they are kept in. `Required` tells in the type whether every caller has a
 * key: false where a scheme has `autoError: false`, and a caller may be nobody.
 */
export interface Ward<Required extends boolean = boolean> {
  readonly guard: Guard<Required>
  readonly keys: KeyService
  /**
   * Decides about the head of a request outside of any adapter, such as an upgrade to a WebSocket: `new NodeHead(…)`, `new WebHead(…)`. Always
   * a promise; rejects with a `Fault`, `store_unavailable` among them.
   */
  readonly admit: (request: RequestHead, demand?: Demand) => Promise<Verdict<CallerOf<Required>>>
  readonly owners: OwnerService
  /** The status of a key's limits. */
  readonly limits: LimitStatus
  /** Calls that are answered later; undefined where the ward has none. */
  readonly jobs: JobService | undefined
  /** The secrets and the deliveries of messages about ended jobs; undefined where the ward has no jobs. */
  readonly webhooks: WebhookService | undefined
  readonly store: KeyStore
  /** Where decisions and changes are recorded, to read; undefined where they are not. */
  readonly ledger: LedgerReader | undefined
  readonly format: KeyFormat
  readonly clock: Clock
  /** Asks the store for changes now, rather than at the next interval. Rejects with `store_unavailable`. */
  readonly refresh: () => Promise<void>
  /** Keys held in memory. */
  readonly cachedKeys: () => number
  /** Hands jobs back that do not end within 10 s, stops listening and closes the stores, the limiter and the ledger. From then on every key is answered with the fault `store_unavailable`. */
  readonly close: () => Promise<void>
}

/** A ward that was opened with `jobs`. */
export interface WardWithJobs<Required extends boolean = boolean> extends Ward<Required> {
  readonly jobs: JobService
  readonly webhooks: WebhookService
}

/** What a ward is by the options of its jobs: it has none where there may be no options. */
export type WardFor<Required extends boolean, Jobs> = [Jobs] extends [object]
  ? WardWithJobs<Required>
  : Ward<Required>

export interface WardOptions<Required extends boolean = boolean> extends WardLedgerOptions {
  readonly store: KeyStore
  readonly peppers: Peppers
  readonly schemes: readonly Scheme<Required>[]
  readonly format: KeyFormat
  /** @default Date.now */
  readonly clock?: Clock
  /** Never jumps. @default performance.now */
  readonly monotonic?: Clock
  /** @default 'modelward' */
  readonly realm?: string
  /** @default 403 */
  readonly invalidKeyStatus?: 401 | 403
  /** Most keys held in memory; 2 or more. @default 10,000 */
  readonly cachedKeysMax?: number
  /** How often the store is asked for changes, in milliseconds: how long a revoked key may go on. 0: only when `refresh` is called. @default 200 */
  readonly listenMs?: number
  /** How long keys in memory are trusted without a word from the store, in milliseconds. @default 5,000 */
  readonly leaseMs?: number
  /** Limits of every key that has none of its own: `60/min`. @default none */
  readonly limitDefault?: readonly string[]
  /** Limits that all requests share. @default none */
  readonly limitEveryone?: readonly string[]
  /** How many wrong keys an address may present: one sliding window, `30/min`. @default not limited */
  readonly limitBadKeys?: string
  /** Counts uses; closed with the ward. @default in this process's memory */
  readonly limiter?: Limiter
  /** Calls that are answered later, and where they are kept; the store is closed with the ward. @default none */
  readonly jobs?: KeptWardJobs
  /** Told of each limit in shadow that would have refused. */
  readonly onShadow?: (refusal: LimitRefusal) => void
  /** Something is wrong that no request is told of: the store is out of hearing, an upgrade was not written. */
  readonly onFault?: (message: string, fault: unknown) => void
}

/**
 * Puts a guard together over a store and listens to it. Fails with `pepper_missing` or `pepper_mismatch` where the peppers are
 * not those that the store's keys were made with, before any key could be called wrong for it.
 */
export async function createWard<Required extends boolean>(
  options: WardOptions<Required>,
): Promise<Ward<Required>> {
  const { store, peppers, format, clock = Date.now, monotonic = () => performance.now() } = options
  const onFault = options.onFault ?? (() => {})
  const limits = readWardLimits(options)
  await checkPeppers(store, peppers)
  const { cachedKeysMax: keysMax = 10_000, leaseMs = 5_000 } = options
  const cache = createKeyCache({ keysMax, leaseMs, monotonic })
  const watch = watchStore(options, cache, monotonic, onFault)
  await watch.refresh()
  const announced = announceTo(watch, store, onFault)
  const maintainMs = options.listenMs === 0 ? 0 : 1_000
  const limiter = options.limiter ?? createInProcessLimiter({ clock, monotonic, maintainMs })
  const shared = { peppers, clock, monotonic, onFault }
  const recorder = createWardRecorder({ ...options, ...shared })
  const { writer, changes } = recorder
  const wardJobs = await openJobs(options, { ...shared, writer, changes, ledger: options.ledger })
  const guard = createGuard({
    schemes: options.schemes,
    format,
    store,
    peppers,
    cache,
    sessions: createSessions(peppers.derive('sessions v1')),
    clock,
    hasImportedKeys: watch.hasImportedKeys,
    upgradeSecret: createSecretUpgrade({
      store,
      peppers,
      clock,
      onFault: (fault) => onFault('a key could not be upgraded', fault),
    }),
    limits,
    takeLimits: createTakeLimits(limiter, options.onShadow ?? (() => {})),
    badKeys: createBadKeys(limits.limitBadKeys, monotonic),
    recorder,
    realm: options.realm ?? 'modelward',
    invalidKeyStatus: options.invalidKeyStatus ?? 403,
  })
  let closed: Promise<void> | undefined
  return {
    // Null is admitted only under a scheme that is not required, which is what the type says.
    guard: guard as Guard<Required>,
    admit: async (head, demand) =>
      (guard as Guard<Required>).admit(guard.find(head) ?? guard.open(head, head, undefined), demand),
    keys: createKeyService({ store: announced, peppers, format, clock, changes }),
    owners: createOwnerService({ store: announced, clock, changes }),
    limits: createLimitStatus(store, limiter, limits),
    jobs: wardJobs?.jobs,
    webhooks: wardJobs?.webhooks,
    store,
    ledger: options.ledger,
    format,
    clock,
    refresh: watch.refresh,
    cachedKeys: cache.size,
    close() {
      watch.stop()
      cache.close()
      closed ??= Promise.resolve(wardJobs?.close()).finally(async () => {
        await Promise.all([recorder.close(), limiter.close(), store.close()])
      })
      return closed
    },
  }
}

/** Loaded now: most wards have no jobs. */
async function openJobs(
  { jobs }: Pick<WardOptions, 'jobs'>,
  parts: Parameters<typeof import('./ward-jobs.ts').createWardJobs>[1],
): Promise<WardJobs | undefined> {
  if (jobs === undefined) return undefined
  const { createWardJobs } = await import('./ward-jobs.ts')
  return createWardJobs(jobs, parts)
}

/** Has the watch hear this process's own changes at once. */
function announceTo(
  watch: KeyCacheSync,
  store: KeyStore,
  onFault: (message: string, fault: unknown) => void,
): KeyStore {
  // The change is durable whether or not it is heard now: the watch hears it at its next interval.
  return announceChanges(store, () =>
    watch.refresh().catch((fault) => onFault('a change was made and could not be heard at once', fault)),
  )
}

/** Listens to the store for changes, and tells when it is out of hearing. */
function watchStore(
  { store, listenMs = 200 }: Pick<WardOptions, 'store' | 'listenMs'>,
  cache: KeyCache,
  monotonic: Clock,
  onFault: (message: string, fault: unknown) => void,
): KeyCacheSync {
  return createKeyCacheSync({
    store,
    cache,
    monotonic,
    intervalMs: listenMs,
    onSyncFailed: (fault) => onFault('the key store cannot be heard', fault),
    onSynced: () => onFault('the key store is heard again', undefined),
  })
}
