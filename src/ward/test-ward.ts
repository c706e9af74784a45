import { checkOptions, isOneOf, type OptionRule } from '../core/check-options.ts'
import type { Scheduler } from '../core/scheduler.ts'
import { type Clock, parseDuration } from '../core/time.ts'
import type { Scheme } from '../guard/scheme.ts'
import type { KeyEnvironment } from '../keys/key-text.ts'
import type { NewKey } from '../keys/new-key.ts'
import type { LedgerEntry } from '../ledger/format/record.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { JobStore } from '../storage/job-store.ts'
import { checkJobsOptions, type WardJobsOptions } from './jobs-options.ts'
import { type LimitOptions, limitRules, withBadKeyLimit } from './limit-options.ts'
import { isSchemes, schemesOf } from './open-modelward.ts'
import type { WardFor } from './ward.ts'

/** What is said of a key of a test ward; its name is the one it is listed under. */
export type TestKey = Omit<NewKey, 'name'>

/** The keys, the schemes and the limits of a ward for tests; wrong keys are not limited unless `limitBadKeys` says so. */
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
   * As in `openModelward`, kept in memory and begun at once; what waits for the time, such as another attempt, goes on with `advance`. Webhooks are
   * listed and not sent.
   * @default none, and `ward.jobs` is undefined
   */
  readonly jobs?: WardJobsOptions
  /** What the clock shows at first, milliseconds since the epoch. @default 2026-01-01T00:00:00Z */
  readonly now?: number
}

/** A ward for tests of your own app: the real guard over keys that you name, with a clock that you move. No file, no timer, no socket. */
export type TestWard<
  Name extends string = string,
  Required extends boolean = boolean,
  Jobs = undefined,
> = WardFor<Required, Jobs> & TestWardParts<Name>

/** What a test has beside the ward. */
export interface TestWardParts<Name extends string> {
  /** The text of each key, to present in a request. */
  readonly texts: Readonly<Record<Name, string>>
  /** The public id of each key, for `ward.keys`. */
  readonly ids: Readonly<Record<Name, string>>
  /** What has been recorded so far, in order: every verdict and every change, those that made the ward's keys among them. */
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
  now: { expected: 'milliseconds since the epoch', accepts: Number.isSafeInteger },
  ...limitRules,
}

/**
 * Creates a ward for tests, in the place of the one that your app is given: FastAPI's `app.dependency_overrides`. It is the same
 * guard, so a test meets the refusals that a caller would; there is no setting that makes a deployed app use one.
 *
 * @throws TypeError for wrong options; Refusal `input_invalid` for a key that could not be created, or an owner's limits that are none
 * @example
 * const ward = await createTestWard({ keys: { alice: { scopes: ['predict'] }, bob: { scopes: ['read'] } } })
 * const app = createApp(ward)
 * await app.request('/predict', { method: 'POST', headers: { 'X-API-Key': ward.texts.alice } })
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
  const { now: begin = Date.UTC(2026, 0, 1), ledger, jobs, ...limits } = rest
  if (jobs !== undefined) checkJobsOptions('createTestWard: `jobs`', jobs)
  const records: LedgerEntry[] = []
  // Loaded now: whoever imports the library to guard, and not to test, waits for none of it.
  const [{ randomBytes }, { createWard }, { parsePeppers }, { createMemoryKeyStore }] = await Promise.all([
    import('node:crypto'),
    import('./ward.ts'),
    import('../secrets/peppers.ts'),
    import('../storage/memory/key-store.ts'),
  ])
  const { clock, scheduler, advance } = createManualTime(begin)
  const ward = await createWard({
    store: createMemoryKeyStore({ clock }),
    peppers: parsePeppers(`1:${randomBytes(32).toString('base64url')}`, 'the test ward'),
    schemes: schemesOf(scheme),
    format: { prefix: 'mw', environment },
    clock,
    monotonic: clock,
    invalidKeyStatus,
    listenMs: 0,
    ...(ledger && { ledger }),
    ...(jobs && { jobs: { ...jobs, scheduler, isSending: false, store: await createJobStore() } }),
    sinks: [(entry) => void records.push(entry)],
    ...withBadKeyLimit(limits, 'none'),
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
    texts: Object.fromEntries(texts) as Record<Name, string>,
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

async function createJobStore(): Promise<JobStore> {
  const { createInProcessJobStore } = await import('../storage/sqlite/jobs/in-process-job-store.ts')
  return createInProcessJobStore()
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
