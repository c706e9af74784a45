import { createHash } from 'node:crypto'
import {
  checkOptions,
  isBoolean,
  isFunction,
  isOneOf,
  isWholeFrom,
  type OptionRule,
} from '../core/check-options.ts'
import { refuseEdge } from '../core/runtime/unsuitable.ts'
import { type Clock, parseDuration } from '../core/time.ts'
import { apiKeyHeader, type Scheme } from '../guard/scheme.ts'
import { isKeyPrefix, type KeyEnvironment } from '../keys/record/key-text.ts'
import type { LedgerMode, LedgerSink } from '../ledger/write/entry-writer.ts'
import type { LedgerAddresses } from '../ledger/write/record-address.ts'
import {
  createTelemetry,
  type OperationalEvent,
  type OperationalEventListener,
} from '../telemetry/telemetry.ts'
import { type IdentifiedListener, joinListeners, telemetryRule } from '../telemetry/telemetry-option.ts'
import { checkJobsOptions, type WardJobsOptions } from './jobs-options.ts'
import { type LimitOptions, limitRules } from './limit-options.ts'
import { checkPlace, type PlaceOptions, placeRules } from './place-options.ts'
import { type SharedOptions, shareWard } from './shared-wards.ts'
import type { Ward, WardFor } from './ward.ts'

/** How a deployment is opened: where it is, and how it works. */
export type OpenModelwardOptions<Required extends boolean = true> = PlaceOptions & OpenOptions<Required>

/** How an opened deployment works. */
export interface OpenOptions<Required extends boolean = true> extends LimitOptions {
  /**
   * Where a key may travel: one scheme, or any of several.
   * @default apiKeyHeader({ name: 'X-API-Key' })
   */
  readonly scheme?: Scheme<Required> | readonly Scheme<Required>[]
  /**
   * Which keys work here; those of the other environment are refused without a look-up.
   * @default 'live'
   */
  readonly environment?: KeyEnvironment
  /** What every key starts with: 2 to 12 of `a-z 0-9`, starting with a letter. @default 'mw' */
  readonly keyPrefix?: string
  /** Names the protected space in challenges (RFC 9110 §11.5). @default 'modelward' */
  readonly realm?: string
  /** The answer to an invalid key: FastAPI's 403, or 401 with a challenge. @default 403 */
  readonly invalidKeyStatus?: 401 | 403
  /** Most keys held in memory, 2 or more. @default 10,000 */
  readonly cachedKeysMax?: number
  /** Whether to create a missing data folder; otherwise that is `data_missing`. @default true */
  readonly create?: boolean
  /**
   * When a request's record is written: `before` its answer leaves, which is 503 if that fails;
   * `after`, and a crash may lose records; or never, with `none`.
   * @default 'before'
   */
  readonly ledgerMode?: LedgerMode | 'none'
  /**
   * How client addresses are recorded: whole, cut to /24 (IPv6: /48), hashed, or not.
   * @default 'whole'
   */
  readonly ledgerAddresses?: LedgerAddresses
  /** How long records are kept, such as `90d`, an hour at least. @default for ever */
  readonly ledgerKeep?: string
  /** How long sums of usage outlive their records, a day at least. @default '400d' */
  readonly usageKeep?: string
  /**
   * Calls that are answered later: `ward.jobs`. They run in this process and in every other that
   * opens the folder with these models.
   * @default none, and `ward.jobs` is undefined
   */
  readonly jobs?: WardJobsOptions
  /**
   * Called with each record, once it is durable if there is a ledger: to send it elsewhere too.
   * @default none
   */
  readonly sinks?: readonly LedgerSink[]
  /** Milliseconds since the epoch. @default Date.now */
  readonly clock?: Clock
  /**
   * Gets each operational event of docs/reference/events.md: an outage begins or ends, a background
   * task failed. @default process.emitWarning, for warnings and errors
   */
  readonly onEvent?: OperationalEventListener
  /**
   * What else listens, one of a kind: `openTelemetry()` of `modelward/opentelemetry` gets spans,
   * `prometheus()` of `modelward/prometheus` numbers.
   * @default nothing, and nothing is loaded
   */
  readonly telemetry?: readonly IdentifiedListener[]
}

const rules: Readonly<Record<keyof OpenModelwardOptions, OptionRule>> = {
  scheme: {
    expected: 'a scheme, or an array of at least one, each of another place, such as apiKeyHeader({ name })',
    accepts: (value) => isSchemes([value].flat()),
  },
  environment: { expected: '`live` or `test`', accepts: isOneOf('live', 'test') },
  keyPrefix: {
    expected: '2 to 12 of a-z 0-9, starting with a letter',
    accepts: (value) => typeof value === 'string' && isKeyPrefix(value),
  },
  realm: {
    expected: 'printable ASCII without quotes or backslashes',
    accepts: (value) => typeof value === 'string' && /^[ !#-[\]-~]{1,128}$/.test(value),
  },
  invalidKeyStatus: { expected: '401 or 403', accepts: isOneOf(401, 403) },
  cachedKeysMax: { expected: 'a whole number from 2 on', accepts: isWholeFrom(2) },
  create: { expected: 'true or false', accepts: isBoolean },
  ledgerMode: { expected: '`before`, `after` or `none`', accepts: isOneOf('before', 'after', 'none') },
  ledgerAddresses: {
    expected: '`whole`, `truncated`, `hashed` or `none`',
    accepts: isOneOf('whole', 'truncated', 'hashed', 'none'),
  },
  ledgerKeep: {
    expected: 'a duration from 1h on, such as `90d`',
    accepts: (value) => typeof value === 'string' && (parseDuration(value) ?? 0) >= 3_600_000,
  },
  usageKeep: {
    expected: 'a duration from 1d on, such as `400d`',
    accepts: (value) => typeof value === 'string' && (parseDuration(value) ?? 0) >= 86_400_000,
  },
  jobs: { expected: 'an object of options', accepts: (value) => typeof value === 'object' && value !== null },
  sinks: {
    expected: 'an array of functions',
    accepts: (value) => Array.isArray(value) && value.every(isFunction),
  },
  clock: { expected: 'a function', accepts: isFunction },
  onEvent: { expected: 'a function', accepts: isFunction },
  telemetry: telemetryRule,
  ...placeRules,
  ...limitRules,
}

/**
 * Opens the deployment in a data folder, or a fleet's on PostgreSQL and Redis: its keys, its pepper
 * and the guard over them. Any number of processes may have it open, the command line and the
 * server among them; each sees a change by another within 200 ms. Close it with `ward.close()`.
 *
 * In one process, opening a deployment again gives the same ward, which closes with its last
 * opening: two would each admit the full limit.
 *
 * In a fleet all processes count limits together. Over a folder each process counts by itself. The
 * first that opens the folder stores the usage of windows of an hour and more, and of quotas,
 * across restarts and `kill -9`; any other counts in its own memory, and reports that once as
 * `limiter.not_shared`.
 *
 * @throws Fault `store_unavailable` where a fleet's database cannot be reached
 * @throws TypeError for options that are unknown, missing, wrong or contradictory, all at once
 * @throws SetupError `data_missing`, `data_unwritable`, `data_unreadable`, `data_locked`,
 * `data_newer`, `data_corrupt`, `config_invalid` (the folder is open to other users),
 * `pepper_*`, `signing_key_mismatch`, `data_in_use` (this process has it open with other options,
 * or by another version), `runtime_unsuitable` (an edge runtime), `thread_missing` (a bundler left
 * the program of a thread behind), `peer_missing`, `database_*`, `redis_*`
 * @example
 * const scheme = apiKeyHeader({ name: 'X-API-Key' })
 * const ward = await openModelward({ data: './modelward-data', scheme })
 */
export async function openModelward<
  const Required extends boolean = true,
  Jobs extends WardJobsOptions | undefined = WardJobsOptions | undefined,
>(options: OpenModelwardOptions<Required> & { readonly jobs?: Jobs }): Promise<WardFor<Required, Jobs>> {
  checkOptions('openModelward', options, rules)
  checkPlace('openModelward', options)
  if (options.jobs !== undefined) checkJobsOptions('openModelward: `jobs`', options.jobs)
  refuseEdge()
  const ward = await shareWard(options, sharedOptionsOf(options), () => openWardOf(options))
  return ward as WardFor<Required, Jobs>
}

async function openWardOf<Required extends boolean>(options: OpenModelwardOptions<Required>): Promise<Ward> {
  const { scheme, keyPrefix = 'mw', environment = 'live', ledgerMode = 'before' } = options
  // Imported on demand: an app that only parses keys, or tests with a ward in memory, needs no
  // database.
  const { openWard } = await import('./open-ward.ts')
  for (const listener of options.telemetry ?? []) await listener.open?.()
  const { ward } = await openWard({
    ...options,
    create: options.create ?? true,
    limitBadKeys: options.limitBadKeys ?? '30/min',
    telemetry: createTelemetry([options.onEvent ?? emitWarning], joinListeners(options.telemetry)),
    storeUsage: 'if_free',
    diskReserveBytes: options.jobs?.diskReserveBytes ?? 64 * 2 ** 20,
    ledgerMode: ledgerMode === 'none' ? undefined : ledgerMode,
    ledger:
      ledgerMode === 'none'
        ? 'none'
        : { keepMs: durationOf(options.ledgerKeep), usageKeepMs: durationOf(options.usageKeep ?? '400d') },
    schemes: schemesOf(scheme),
    format: { prefix: keyPrefix, environment },
  })
  return ward
}

/** An option that was checked. */
function durationOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text)
}

/**
 * What a second opening in this process must agree with. Each call makes another scheme, which is
 * known by what it says of itself and by its text; of other functions only the same one agrees.
 */
function sharedOptionsOf<Required extends boolean>(options: OpenModelwardOptions<Required>): SharedOptions {
  const { data: _path, databaseUrl, create: _onlyTheFirst, scheme, ...rest } = options
  const { pepper, redisUrl, signingKey, telemetry = [], ...others } = rest
  return {
    ...others,
    telemetry: telemetry.map((listener) => listener.id ?? listener),
    scheme: schemesOf(scheme).map(({ read, ...said }) => ({ ...said, read: String(read) })),
    pepper: digestOf(pepper),
    databaseUrl: digestOf(databaseUrl),
    redisUrl: digestOf(redisUrl),
    signingKey: digestOf(signingKey),
  }
}

/** A secret is compared, and not kept. */
function digestOf(secret: string | undefined): string | undefined {
  return secret === undefined ? undefined : createHash('sha256').update(secret).digest('hex')
}

/** The schemes that options name, or the default. */
export function schemesOf(scheme: Scheme | readonly Scheme[] | undefined): readonly Scheme[] {
  return scheme === undefined ? [apiKeyHeader({ name: 'X-API-Key' })] : [scheme].flat()
}

/** Whether these are schemes, and no two of them look in the same place. */
export function isSchemes(values: readonly unknown[]): boolean {
  const places = values.map((value) => {
    const scheme = value as Partial<Scheme> | null
    return typeof scheme === 'object' &&
      typeof scheme?.read === 'function' &&
      typeof scheme.description === 'object'
      ? JSON.stringify(scheme.description).toLowerCase()
      : undefined
  })
  return places.length > 0 && !places.includes(undefined) && new Set(places).size === places.length
}

function emitWarning({ name, level, message, cause }: OperationalEvent): void {
  if (level === 'info') return
  process.emitWarning(`modelward: ${message}`, {
    code: name,
    ...(cause !== undefined && { detail: String(cause) }),
  })
}
