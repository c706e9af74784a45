import type { RequestHead } from '../../src/core/request-head.ts'
import { processScheduler, type Scheduler } from '../../src/core/scheduler.ts'
import { apiKeyHeader } from '../../src/guard/scheme.ts'
import type { KeyStore } from '../../src/keys/store/key-store.ts'
import { checkPeppers } from '../../src/keys/verify/check-peppers.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { createInProcessLimiter } from '../../src/limits/in-process/in-process-limiter.ts'
import type { Limiter } from '../../src/limits/limiter.ts'
import { type Peppers, parsePeppers } from '../../src/secrets/peppers.ts'
import type { JobStore } from '../../src/storage/job-store.ts'
import { createMemoryKeyStore } from '../../src/storage/memory/key-store.ts'
import { gatherStorage } from '../../src/ward/test-ward.ts'
import { createWard, type Ward, type WardOptions } from '../../src/ward/ward.ts'

/** The pepper of every ward in tests: version 1, 32 times the byte 7. */
export const testPepper = `1:${Buffer.alloc(32, 7).toString('base64url')}`

/** What a test says of the ward, and of the stores under it. */
export interface TestWardOptions extends Partial<WardOptions> {
  readonly store?: KeyStore
  readonly peppers?: Peppers
  readonly ledger?: Ledger | undefined
  readonly limiter?: Limiter
  readonly jobStore?: JobStore
}

/** Time in which nothing comes due. */
export const stillScheduler: Scheduler = { ...processScheduler, after: () => () => {} }

export interface TestWard extends Ward {
  /** Milliseconds since the epoch; move it. */
  readonly time: { now: number; monotonic: number }
  readonly limiter: Limiter
  /** How often each call of the store was made. */
  readonly calls: Map<keyof KeyStore, number>
  /** When set, every call of the store rejects with it. */
  readonly outage: { fault: Error | undefined }
}

/**
 * A ward over a store in memory that counts its calls and can fail, with a clock that stands still.
 */
export async function openTestWard({
  store: ownStore,
  peppers = parsePeppers(testPepper, 'the test'),
  ledger,
  limiter: ownLimiter,
  jobStore,
  ...options
}: TestWardOptions = {}): Promise<TestWard> {
  const time = { now: Date.UTC(2026, 0, 1), monotonic: 0 }
  const calls = new Map<keyof KeyStore, number>()
  const outage: TestWard['outage'] = { fault: undefined }
  const store = watched(ownStore ?? createMemoryKeyStore({ clock: () => time.now }), calls, outage)
  // As every storage does when it is opened.
  await checkPeppers(store, peppers)
  const limiter =
    ownLimiter ?? createInProcessLimiter({ clock: () => time.now, monotonic: () => time.monotonic })
  const storage = gatherStorage({
    keys: store,
    ledger,
    jobs: jobStore,
    limiter,
    secrets: { peppers },
  })
  const ward = await createWard(storage, {
    schemes: [apiKeyHeader({ name: 'X-API-Key' })],
    format: { prefix: 'mw', environment: 'live' },
    clock: () => time.now,
    monotonic: () => time.monotonic,
    scheduler: stillScheduler,
    ...options,
  })
  const opened = { ...ward, time, calls, outage, limiter }
  ledgers.set(opened, ledger)
  return opened
}

const ledgers = new WeakMap<Ward, Ledger | undefined>()

/** The ledger that a test ward writes to; undefined for another ward, and where it has none. */
export function writtenLedgerOf(ward: Ward): Ledger | undefined {
  return ledgers.get(ward)
}

function watched(store: KeyStore, calls: TestWard['calls'], outage: TestWard['outage']): KeyStore {
  return new Proxy(store, {
    get(target, name: keyof KeyStore) {
      const method = target[name]
      if (method === undefined) return undefined
      return async (...args: readonly unknown[]) => {
        calls.set(name, (calls.get(name) ?? 0) + 1)
        if (outage.fault !== undefined && name !== 'close') throw outage.fault
        return Reflect.apply(method, target, args)
      }
    },
  })
}

/** The head of a request with these headers, one value or several a name. */
export function headOf(
  headers: Readonly<Record<string, string | readonly string[]>> = {},
  address: string | undefined = '127.0.0.1',
): RequestHead {
  return {
    headerValues: (name) => [headers[name] ?? []].flat(),
    queryValues: () => [],
    address,
  }
}
