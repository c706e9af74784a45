import { z } from 'zod'
import { isAddressBlock } from '../core/address-list.ts'
import { parseDuration } from '../core/time.ts'
import { isKeyPrefix } from '../keys/key-text.ts'
import { parseLimit } from '../limits/limit.ts'
import { parseLimitSettings } from '../limits/limit-setting.ts'
import type { Config, SettingName } from './config.ts'
import { parseSize } from './size.ts'

type SettingSchemas = { readonly [Name in SettingName]: z.ZodType<Config[Name]> }

/** Longest wait that a timer of Node can count, rounded down: 24 days. */
const waitMsMax = 24 * 86_400_000

function oneOf<const T extends string>(...values: readonly T[]): z.ZodType<T> {
  return z.enum(values as readonly [T, ...T[]])
}

function integer(least: number, most: number): z.ZodType<number> {
  return z.int().min(least).max(most)
}

function wait(leastMs: number): z.ZodType<number> {
  return read(parseDuration, leastMs, waitMsMax)
}

/** Bytes, as a number or as text with a unit. */
function size(least: number, most: number): z.ZodType<number> {
  return z.union([integer(least, most), read(parseSize, least, most)])
}

function read(parse: (text: string) => number | undefined, least: number, most: number): z.ZodType<number> {
  return z
    .string()
    .transform((text) => parse(text) ?? Number.NaN)
    .refine((value) => value >= least && value <= most)
}

function parseCount(text: string): number | undefined {
  return /^(?:0|[1-9]\d{0,8})$/.test(text) ? Number(text) : undefined
}

function list<T>(item: z.ZodType<T>): z.ZodType<readonly T[]> {
  return z.array(item).refine((items) => new Set(items).size === items.length)
}

/** Limits as people write them, each in its shortest form. */
function limits(): z.ZodType<readonly string[]> {
  return z
    .array(z.string())
    .refine((texts) => parseLimitSettings(texts).faults.length === 0)
    .transform((texts) => parseLimitSettings(texts).settings.map(({ text }) => text))
}

/** One window of requests, or none. */
function badKeys(): z.ZodType<string> {
  return z
    .string()
    .refine((text) => text === 'none' || isRequestWindow(parseLimit(text)))
    .transform((text) => {
      const limit = parseLimit(text)
      return typeof limit === 'string' ? text : limit.text
    })
}

function isRequestWindow(limit: ReturnType<typeof parseLimit>): boolean {
  return typeof limit === 'object' && limit.kind === 'window' && limit.measure === 'requests'
}

/** An origin as browsers send it (RFC 6454 §6.2): scheme, host and a port that is not the scheme's own. */
function isOrigin(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text) && new URL(text).origin === text
}

const schemas: SettingSchemas = {
  data: z.string().regex(/^(?!~)[^\0]+$/),
  host: z.string().regex(/^[0-9A-Za-z.:_-]{1,253}$/),
  port: integer(0, 65_535),
  environment: oneOf('live', 'test'),
  keyPrefix: z.string().refine(isKeyPrefix),
  scheme: list(oneOf('header', 'bearer')).refine((names) => names.length > 0),
  keyHeader: z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/),
  realm: z.string().regex(/^[ !#-[\]-~]{1,64}$/),
  invalidKeyStatus: z.union([z.literal(401), z.literal(403)]),
  trustProxy: list(z.string().refine(isAddressBlock)),
  bodyMax: size(1, 1_073_741_824),
  batchBodyMax: size(1, 1_073_741_824),
  headersMax: size(1_024, 1_048_576),
  textMax: integer(1, 10_000_000),
  cachedKeysMax: integer(2, 10_000_000),
  limitDefault: limits(),
  limitEveryone: limits(),
  limitBadKeys: badKeys(),
  model: list(z.string().regex(/^(?!~)[^\0]+$/)),
  modelDeadline: read(parseDuration, 1, 3_600_000),
  modelThreads: z.union([z.literal('auto'), read(parseCount, 1, 64)]),
  queueMax: integer(1, 10_000_000),
  queueOwnerMax: integer(1, 10_000_000),
  jobWorkers: z.union([z.literal('auto'), read(parseCount, 0, 1_000)]),
  jobAttempts: integer(1, 100),
  jobKeep: read(parseDuration, 60_000, 366 * 86_400_000),
  jobLease: read(parseDuration, 5_000, 3_600_000),
  webhooksAllow: list(z.string().refine(isAddressBlock)),
  webhooksAllowHttp: z.boolean(),
  requestTimeout: wait(1),
  shutdownGrace: wait(0),
  ledgerMode: oneOf('before', 'after'),
  ledgerAddresses: oneOf('whole', 'truncated', 'hashed', 'none'),
  ledgerKeep: z.union([z.literal('forever'), read(parseDuration, 3_600_000, 100 * 365 * 86_400_000)]),
  ledgerMax: z.union([z.literal('unlimited'), read(parseSize, 16_777_216, 2 ** 50)]),
  docs: oneOf('guarded', 'open'),
  corsOrigins: list(z.string().refine(isOrigin)),
  logLevel: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
  logRequests: z.boolean(),
}

/** The one schema: strict, and every setting there. */
export const configSchema: z.ZodType<Config> = z.strictObject(schemas).superRefine((config, context) => {
  if (config.scheme.includes('bearer') && config.keyHeader.toLowerCase() === 'authorization')
    context.addIssue({ code: 'custom', path: ['keyHeader'] })
})

/** Checks one setting's value and gives what it means; the fault's path leads to the item of a list that is wrong. */
export function readSetting(name: SettingName, input: unknown): z.ZodSafeParseResult<Config[SettingName]> {
  return schemas[name].safeParse(input)
}
