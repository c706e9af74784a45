import type { KeyObject } from 'node:crypto'
import type { RequestHead } from '../core/request-head.ts'
import { processScheduler, type Scheduler } from '../core/scheduler.ts'
import type { Clock } from '../core/time.ts'
import type { CallerOf } from '../guard/caller.ts'
import type { Demand } from '../guard/demand.ts'
import { createRecorder } from '../guard/exchange/recorder.ts'
import { createReserve, type Reserve } from '../guard/exchange/reserve.ts'
import { createGuard, type Guard } from '../guard/guard.ts'
import { createKeyCache, type KeyCache } from '../guard/key-cache.ts'
import { createKeyCacheSync, type KeyCacheSync } from '../guard/key-cache-sync.ts'
import { createLimitStatus, type LimitStatus } from '../guard/limit-status.ts'
import type { Scheme } from '../guard/scheme.ts'
import { createSessions } from '../guard/session.ts'
import type { Verdict } from '../guard/verdict.ts'
import type { JobService } from '../jobs/job-service.ts'
import { createOwnerService, type OwnerService } from '../keys/owners/owner-service.ts'
import type { KeyFormat } from '../keys/record/key-text.ts'
import { createKeyService, type KeyService } from '../keys/service/key-service.ts'
import type { KeyStore } from '../keys/store/key-store.ts'
import { createKeyUses } from '../keys/store/key-uses.ts'
import { refreshOnChange } from '../keys/store/refresh-on-change.ts'
import { createSecretUpgrade } from '../keys/verify/upgrade-secret.ts'
import { createWardLedger, type WardLedger } from '../ledger/query/ward-ledger.ts'
import type { LedgerMode, LedgerSink } from '../ledger/write/entry-writer.ts'
import type { LedgerAddresses } from '../ledger/write/record-address.ts'
import { createBadKeyLimiter } from '../limits/bad-key-limiter.ts'
import { createLookAtLimits } from '../limits/look-at-limits.ts'
import type { ShadowListener } from '../limits/shadow-listener.ts'
import { createTakeLimits } from '../limits/usage/take-limits.ts'
import type { Peppers } from '../secrets/peppers.ts'
import type { Storage } from '../storage/storage.ts'
import { createOutageReport } from '../telemetry/outage-report.ts'
import { noTelemetry, type Telemetry } from '../telemetry/telemetry.ts'
import type { WebhookService } from '../webhooks/webhook-service.ts'
import { readWardLimits } from './limit-options.ts'
import { readWardFigures } from './ward-figures.ts'
import type { JobsOptions, WardJobs, WardJobsDeps } from './ward-jobs.ts'

/**
 * The guard and the services of one deployment, whatever it is stored in. `Required` says in the
 * type whether every caller has a key: false if a scheme has `autoError: false`, and a caller may
 * be null.
 */
export interface Ward<Required extends boolean = boolean> {
  readonly guard: Guard<Required>
  readonly keys: KeyService
  /**
   * Decides about the head of a request outside of any adapter, such as an upgrade to a WebSocket:
   * `new NodeHead(…)`, `new WebHead(…)`. Rejects with a `Fault`, such as `store_unavailable`.
   */
  readonly admit: (request: RequestHead, demand?: Demand) => Promise<Verdict<CallerOf<Required>>>
  /**
   * Reserves the most that work on an admitted request may use, such as a model's tokens, before it
   * begins: all of it or, where a limit of the caller has no room, none. `settle` of what it
   * resolves with then counts what was really used. A record of the request says it, whether a
   * limit counts it or not. What the demand's `cost` has taken of the same measures is part of the
   * first reservation of a request; a request may reserve again.
   *
   * @param request what its handler is given: the request of Fastify and of web-standard handlers,
   *   the context of Hono, the response of Express
   * @param costs whole numbers from 0 on by the measures that limits name, other than `requests`
   *   and `concurrent`
   * @throws Refusal 429 `rate_limited` or `quota_exhausted`, with the limits' headers and the first
   *   moment at which it would pass, or 422 `input_invalid` where it is more than a limit allows at
   *   all: the request has then used nothing, unless it had reserved before; Fault
   *   `limiter_unavailable`; an `AbortError` where the client has gone; TypeError for wrong costs,
   *   and where no guard of this ward has admitted the request
   * @example
   * const reservation = await ward.reserve(request, { tokens: 1_200 })
   * let tokens = 0
   * try {
   *   for await (const piece of model.stream(prompt)) tokens += piece.tokens
   * } finally {
   *   await reservation.settle({ tokens })
   * }
   */
  readonly reserve: Reserve
  readonly owners: OwnerService
  /** The status of a key's limits, and how to reset them. */
  readonly limits: LimitStatus
  /** Calls that are answered later; undefined if the ward has none. */
  readonly jobs: JobService | undefined
  /** Secrets and deliveries of messages about ended jobs; undefined if the ward has no jobs. */
  readonly webhooks: WebhookService | undefined
  readonly store: KeyStore
  /** Reads what was decided and changed; undefined if nothing is recorded. */
  readonly ledger: WardLedger | undefined
  readonly format: KeyFormat
  readonly clock: Clock
  /** Polls the store for changes now. Rejects with `store_unavailable`. */
  readonly refresh: () => Promise<void>
  /**
   * Whether requests can be decided and recorded now, measured when asked: for a health check.
   * Rejects with the fault that they would get, `store_unavailable` or `ledger_unavailable`.
   */
  readonly ready: () => Promise<void>
  /** Keys held in memory. */
  readonly cachedKeys: () => number
  /**
   * Hands back jobs that do not end within 10 s, stops polling, and closes the storage. Every key
   * is then answered with the fault `store_unavailable`.
   */
  readonly close: () => Promise<void>
}

/** A ward that was opened with `jobs`. */
export interface WardWithJobs<Required extends boolean = boolean> extends Ward<Required> {
  readonly jobs: JobService
  readonly webhooks: WebhookService
}

/** The type of a ward by its options of jobs: without them it has none. */
export type WardFor<Required extends boolean, Jobs> = [Jobs] extends [object]
  ? WardWithJobs<Required>
  : Ward<Required>

/** What a ward needs of a deployment's storage. It closes the storage with itself. */
export type WardStorage = Pick<
  Storage,
  'keys' | 'ledger' | 'jobs' | 'limiter' | 'clock' | 'nodes' | 'close'
> & {
  /** The stored keys were made with these peppers: the storage has checked it. */
  readonly secrets: Pick<Storage['secrets'], 'peppers'>
  /** @default it can always be written */
  readonly ensureWritable?: Storage['ensureWritable']
}

/** How a ward works. Settings of a deployment have the names that configuration gives them. */
export interface WardOptions<Required extends boolean = boolean> {
  readonly schemes: readonly Scheme<Required>[]
  readonly format: KeyFormat
  /** @default 'modelward' */
  readonly realm?: string | undefined
  /** @default 403 */
  readonly invalidKeyStatus?: 401 | 403 | undefined
  /** Most keys held in memory; 2 or more. @default 10,000 */
  readonly cachedKeysMax?: number | undefined
  /** Limits of every key that has none of its own: `60/min`. @default none */
  readonly limitDefault?: readonly string[] | undefined
  /** Limits that all billable requests share. @default none */
  readonly limitEveryone?: readonly string[] | undefined
  /** Limits of each client address that sends no key, where a scheme lets it pass. @default none */
  readonly limitAnonymous?: readonly string[] | undefined
  /** How many wrong keys an address may present: one sliding window, `30/min`. @default 'none' */
  readonly limitBadKeys?: string | undefined
  /** How many operational requests a key may send: one window, or `none`. @default '600/min' */
  readonly limitOperational?: string | undefined
  /**
   * `before`: an answer waits until its record is durable, and is 503 `ledger_unavailable` if that
   * fails. `after`: it does not wait, and a record that could not be written is
   * `ledger.record_lost`.
   * @default 'before'
   */
  readonly ledgerMode?: LedgerMode | undefined
  /** How client addresses are recorded. @default 'whole' */
  readonly ledgerAddresses?: LedgerAddresses | undefined
  /** Called with each record once it is durable; without a ledger, at once. @default none */
  readonly sinks?: readonly LedgerSink[] | undefined
  /** Who makes changes that do not say who: `cli`. @default recorded without a name */
  readonly changedBy?: string | undefined
  /** Calls that are answered later, if the storage has jobs. @default none */
  readonly jobs?: JobsOptions | undefined
  /** Milliseconds that cached keys are trusted without an answer from the store. @default 5,000 */
  readonly leaseMs?: number | undefined
  /** @default the storage's own, or Date.now */
  readonly clock?: Clock | undefined
  /** Never jumps. @default performance.now */
  readonly monotonic?: Clock | undefined
  /** Runs polls and other work that waits for time. @default the process's own timers */
  readonly scheduler?: Scheduler | undefined
  /** Called with each limit in shadow that would have refused. */
  readonly onShadow?: ShadowListener | undefined
  /** Where operational events go. @default none */
  readonly telemetry?: Telemetry | undefined
}

/** Milliseconds between two polls of the key store: the longest that a revoked key still works. */
const pollMs = 200
/** The same of a store that tells of changes itself: the polls renew the lease. */
const toldPollMs = 1_000

/** Builds the guard and the services of a deployment over its storage, and starts polling it. */
export async function createWard<Required extends boolean>(
  storage: WardStorage,
  options: WardOptions<Required>,
): Promise<Ward<Required>> {
  const { keys: store, ledger, limiter } = storage
  const { peppers } = storage.secrets
  const { format, clock = storage.clock ?? Date.now, monotonic = () => performance.now() } = options
  const { scheduler = processScheduler, telemetry = noTelemetry } = options
  const limits = readWardLimits(options)
  const deps = { peppers, clock, monotonic, scheduler, telemetry }
  const { cache, sync } = await openKeyCache(store, options, deps)
  const announced = refreshAfterChanges(store, sync, telemetry)
  const deriveKey = () => peppers.derive('ledger addresses v1')
  const latestChange = async (): Promise<number> => (await store.readChanges(undefined)).cursor
  const recorder = createRecorder({ ...options, ...deps, ledger, deriveKey, latestChange })
  const { writer, changes } = recorder
  // Without schemes it guards no request, and is of one command: that looks for no others' uses.
  const uses = createKeyUses({ ...deps, store, ledger: options.schemes.length > 0 ? ledger : undefined })
  const wardJobs = await openJobs(storage, options, { ...deps, writer, changes, ledger, limiter })
  const guard = createGuard({
    schemes: options.schemes,
    format,
    store,
    ...deps,
    cache,
    sessions: createSessions(peppers.derive('sessions v1')),
    ...sync,
    upgradeSecret: createSecretUpgrade({ ...deps, store }),
    limits,
    noteUse: uses.note,
    takeLimits: createTakeLimits(limiter, options.onShadow ?? (() => {})),
    lookAtLimits: createLookAtLimits(limiter),
    badKeyLimiter: createBadKeyLimiter(limits.limitBadKeys, monotonic),
    recorder,
    realm: options.realm ?? 'modelward',
    invalidKeyStatus: options.invalidKeyStatus ?? 403,
  })
  const endFigures = readWardFigures({ ...deps, store, cache, limiter, jobs: wardJobs?.jobs })
  let closed: Promise<void> | undefined
  return {
    // Null is admitted only under a scheme that is not required, which is what the type says.
    guard: guard as Guard<Required>,
    admit: async (head, demand) =>
      (guard as Guard<Required>).admit(guard.find(head) ?? guard.open(head, head, undefined), demand),
    reserve: createReserve(guard),
    keys: createKeyService({ store: announced, peppers, format, clock, changes }),
    owners: createOwnerService({ store: announced, clock, changes }),
    limits: createLimitStatus({ store, limiter, defaults: limits, changes }),
    jobs: wardJobs?.jobs,
    webhooks: wardJobs?.webhooks,
    store,
    ledger: ledger && createWardLedger(ledger, { clock, positionKey: positionKeyOf(peppers) }),
    format,
    clock,
    refresh: sync.refresh,
    async ready() {
      await Promise.all([sync.refresh(), changes.ensureWritable(), storage.ensureWritable?.()])
    },
    cachedKeys: cache.size,
    close() {
      endFigures()
      sync.stop()
      cache.close()
      closed ??= closeAll([wardJobs, recorder, uses, storage])
      return closed
    },
  }
}

/** Under the first pepper: servers on either side of a rotation read each other's positions. */
function positionKeyOf({ derive, first }: Peppers): KeyObject {
  return derive('ledger positions v1', first)
}

/**
 * Closes one after the other, each though another failed: ended jobs settle their usage, and the
 * last records are written, before the stores close.
 */
async function closeAll(
  opened: readonly ({ readonly close: () => Promise<void> } | undefined)[],
): Promise<void> {
  const [first, ...rest] = opened
  try {
    await first?.close()
  } finally {
    if (rest.length > 0) await closeAll(rest)
  }
}

async function openKeyCache(
  store: KeyStore,
  { cachedKeysMax: keysMax = 10_000, leaseMs = 5_000 }: Pick<WardOptions, 'cachedKeysMax' | 'leaseMs'>,
  {
    clock,
    monotonic,
    scheduler,
    telemetry,
  }: Pick<WardJobsDeps, 'clock' | 'monotonic' | 'scheduler' | 'telemetry'>,
): Promise<{ readonly cache: KeyCache; readonly sync: KeyCacheSync }> {
  const cache = createKeyCache({ keysMax, leaseMs, monotonic })
  const sync = createKeyCacheSync({
    store,
    cache,
    monotonic,
    scheduler,
    intervalMs: store.onChange === undefined ? pollMs : toldPollMs,
    outage: createOutageReport('keys.sync_failed', telemetry, { clock, scheduler }),
  })
  try {
    await sync.refresh()
  } catch (fault) {
    sync.stop()
    throw fault
  }
  return { cache, sync }
}

/** Imported on demand: most wards have no jobs. */
async function openJobs(
  { jobs: store, nodes }: Pick<WardStorage, 'jobs' | 'nodes'>,
  { jobs, schemes }: Pick<WardOptions, 'jobs' | 'schemes'>,
  deps: Omit<WardJobsDeps, 'store'>,
): Promise<WardJobs | undefined> {
  if (store === undefined || jobs === undefined) return undefined
  const { createWardJobs } = await import('./ward-jobs.ts')
  // Without schemes it is of one command, whose limiter may count nothing that others see.
  const limiter = schemes.length > 0 ? deps.limiter : undefined
  return createWardJobs({ ...jobs, ...(nodes && { reserver: nodes.id }) }, { ...deps, limiter, store })
}

/** The store, with the cache refreshed at once after each change of this process. */
function refreshAfterChanges(store: KeyStore, { refresh }: KeyCacheSync, telemetry: Telemetry): KeyStore {
  // The change is durable either way: the next poll finds it.
  return refreshOnChange(store, () =>
    refresh().catch((fault) => telemetry.event('keys.refresh_failed', {}, fault)),
  )
}
