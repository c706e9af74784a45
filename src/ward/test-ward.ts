import { checkOptions, isOneOf, type OptionRule } from '../core/check-options.ts'
import type { Scheduler } from '../core/scheduler.ts'
import { type Clock, parseDuration, readTime, type TimeInput, timeForms } from '../core/time.ts'
import type { Scheme } from '../guard/scheme.ts'
import type { NewKey } from '../keys/fields/new-key.ts'
import type { KeyEnvironment } from '../keys/record/key-text.ts'
import type { LedgerEntry } from '../ledger/format/record.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { JobStore } from '../storage/job-store.ts'
import { checkJobsOptions, type WardJobsOptions } from './jobs-options.ts'
import { type LimitOptions, limitRules } from './limit-options.ts'
import { isSchemes, schemesOf } from './open-modelward.ts'
import type { WardFor, WardStorage } from './ward.ts'

/** A key of a test ward; its name is the one it is listed under. */
export type TestKey = Omit<NewKey, 'name'>

/**
 * Keys, schemes and limits of a ward for tests. Wrong keys are limited only if `limitBadKeys` says
 * so.
 */
export interface TestWardOptions<Name extends string = string, Required extends boolean = true>
  extends LimitOptions {
  /** The keys there are, by names of your choice. @default none */
  readonly keys?: Readonly<Record<Name, TestKey>>
  /** Limits that the keys of an owner share, such as `['1000/day']`, by owner. @default none */
  readonly owners?: Readonly<Record<string, readonly string[]>>
  /** As in `openModelward`. @default apiKeyHeader({ name: 'X-API-Key' }) */
  readonly scheme?: Scheme<Required> | readonly Scheme<Required>[]
  /** @default 'live' */
  readonly environment?: KeyEnvironment
  /** @default 403 */
  readonly invalidKeyStatus?: 401 | 403
  /** Written to beside `records()`, for a test of what an answer waits for. @default none */
  readonly ledger?: Ledger
  /**
   * As in `openModelward`, in memory. What waits for time, such as the next attempt, runs with
   * `advance`. Webhooks are listed, not sent.
   * @default none, and `ward.jobs` is undefined
   */
  readonly jobs?: WardJobsOptions
  /** What the clock shows at first. @default 2026-01-01T00:00:00Z */
  readonly now?: TimeInput
}

/**
 * A ward for tests of your own app: the real guard over keys that you name, with a clock that you
 * move. No file, no timer, no socket.
 */
export type TestWard<
  Name extends string = string,
  Required extends boolean = boolean,
  Jobs = undefined,
> = WardFor<Required, Jobs> & TestWardParts<Name>

/** What a test has beside the ward. */
export interface TestWardParts<Name extends string> {
  /** The text of each key, to send in a request. */
  readonly testKeys: Readonly<Record<Name, string>>
  /** The public id of each key, for `ward.keys`. */
  readonly ids: Readonly<Record<Name, string>>
  /**
   * All records so far, in order: every verdict and change, also those that made the ward's keys.
   */
  readonly records: () => readonly LedgerEntry[]
  /** Moves the clock on, by `90s`, `15min`, `24h`, `30d` or milliseconds. */
  readonly advance: (by: string | number) => void
}

const rules: Readonly<Record<keyof TestWardOptions, OptionRule>> = {
  keys: { expected: 'an object of keys by their names', accepts: isPlainObject },
  owners: {
    expected: 'an object of limits, each an array, by their owners',
    accepts: (value) => isPlainObject(value) && Object.values(value).every(Array.isArray),
  },
  scheme: {
    expected: 'a scheme, or an array of at least one, each of another place, such as apiKeyHeader({ name })',
    accepts: (value) => isSchemes([value].flat()),
  },
  environment: { expected: '`live` or `test`', accepts: isOneOf('live', 'test') },
  invalidKeyStatus: { expected: '401 or 403', accepts: isOneOf(401, 403) },
  ledger: { expected: 'a ledger', accepts: isPlainObject },
  jobs: { expected: 'an object of options', accepts: isPlainObject },
  now: {
    expected: `a Date, milliseconds since the epoch, or ${timeForms}`,
    accepts: (value) => Number.isSafeInteger(beginOf(value)),
  },
  ...limitRules,
}

/**
 * Creates a ward for tests, in the place of the one that your app is given: FastAPI's
 * `app.dependency_overrides`. It is the same guard, so a test meets the refusals that a caller
 * would; there is no setting that makes a deployed app use one.
 *
 * @throws TypeError for wrong options; Refusal `input_invalid` for a key that cannot be created, or
 * wrong limits of an owner
 * @example
 * const ward = await createTestWard({ keys: { alice: { scopes: ['predict'] } } })
 * const app = createApp(ward)
 * await app.request('/predict', { method: 'POST', headers: { 'X-API-Key': ward.testKeys.alice } })
 */
export async function createTestWard<
  const Name extends string = never,
  const Required extends boolean = true,
  Jobs extends WardJobsOptions | undefined = WardJobsOptions | undefined,
>(
  options: TestWardOptions<Name, Required> & { readonly jobs?: Jobs } = {},
): Promise<TestWard<Name, Required, Jobs>> {
  checkOptions('createTestWard', options, rules)
  const { keys = {}, owners = {}, scheme, environment = 'live', invalidKeyStatus = 403, ...rest } = options
  const { now = Date.UTC(2026, 0, 1), ledger, jobs, ...limits } = rest
  if (jobs !== undefined) checkJobsOptions('createTestWard: `jobs`', jobs)
  const records: LedgerEntry[] = []
  const { clock, scheduler, advance } = createManualTime(Number(beginOf(now)))
  const { createWard } = await import('./ward.ts')
  const ward = await createWard(await openStorageInMemory(clock, scheduler, ledger, jobs !== undefined), {
    ...limits,
    schemes: schemesOf(scheme),
    format: { prefix: 'mw', environment },
    clock,
    monotonic: clock,
    scheduler,
    invalidKeyStatus,
    jobs: jobs && { ...jobs, isSending: false },
    sinks: [(entry) => void records.push(entry)],
  })
  for (const [owner, limits] of Object.entries(owners)) await ward.owners.set(owner, limits)
  const texts = new Map<string, string>()
  const ids = new Map<string, string>()
  for (const [name, key] of Object.entries<TestKey>(keys)) {
    const issued = await ward.keys.create({ ...key, name })
    texts.set(name, issued.text)
    ids.set(name, issued.record.id)
  }
  return {
    ...(ward as WardFor<Required, Jobs>),
    testKeys: Object.fromEntries(texts) as Record<Name, string>,
    ids: Object.fromEntries(ids) as Record<Name, string>,
    records: () => records,
    advance(by) {
      const ms = typeof by === 'number' ? by : parseDuration(by)
      if (ms === undefined || !Number.isSafeInteger(clock() + ms))
        throw new TypeError(
          `advance: expected milliseconds or a duration such as 15min, got ${JSON.stringify(by)}`,
        )
      advance(ms)
    },
  }
}

/** Imported on demand: an app that imports the library to guard loads none of it. */
async function openStorageInMemory(
  clock: Clock,
  scheduler: Scheduler,
  ledger: Ledger | undefined,
  hasJobs: boolean,
): Promise<WardStorage> {
  const [{ randomBytes }, { parsePeppers }, { createMemoryKeyStore }, { createInProcessLimiter }] =
    await Promise.all([
      import('node:crypto'),
      import('../secrets/peppers.ts'),
      import('../storage/memory/key-store.ts'),
      import('../limits/in-process/in-process-limiter.ts'),
    ])
  const pepper = `1:${randomBytes(32).toString('base64url')}`
  return gatherStorage({
    keys: createMemoryKeyStore({ clock }),
    ledger,
    jobs: hasJobs ? await createJobStore() : undefined,
    limiter: createInProcessLimiter({ clock, monotonic: clock, scheduler }),
    secrets: { peppers: parsePeppers(pepper, 'the test ward') },
  })
}

/** Stores of a ward that come from different places, closed together. */
export function gatherStorage(stores: Omit<WardStorage, 'close'>): WardStorage {
  const { keys, ledger, jobs, limiter } = stores
  return {
    ...stores,
    async close() {
      await Promise.all([keys.close(), ledger?.close(), jobs?.close(), limiter.close()])
    },
  }
}

async function createJobStore(): Promise<JobStore> {
  const { createInProcessJobStore } = await import('../storage/sqlite/jobs/in-process-job-store.ts')
  return createInProcessJobStore()
}

/** A test may begin at any number: time has to move, not to be right. */
function beginOf(now: unknown): number | string {
  return typeof now === 'number' ? now : readTime(now, Date.now())
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Time that a test moves: a clock, and timers that run as it passes them. */
export interface ManualTime {
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** Moves the clock on and runs the timers that are due by then, the earliest first. */
  readonly advance: (ms: number) => void
  /** When each timer is due, the earliest first. */
  readonly due: () => readonly number[]
}

/** @param begin what the clock shows at first, milliseconds since the epoch */
export function createManualTime(begin: number): ManualTime {
  let now = begin
  const waiting = new Set<{ readonly at: number; readonly run: () => void }>()
  const inOrder = () => [...waiting].toSorted((one, other) => one.at - other.at)
  return {
    clock: () => now,
    scheduler: {
      after(ms, run) {
        const timer = { at: now + ms, run }
        waiting.add(timer)
        return () => void waiting.delete(timer)
      },
      yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
    },
    advance(ms) {
      now += ms
      const due = inOrder().filter(({ at }) => at <= now)
      // A timer that another of them cancels does not run.
      for (const timer of due) if (waiting.delete(timer)) timer.run()
    },
    due: () => inOrder().map(({ at }) => at),
  }
}
