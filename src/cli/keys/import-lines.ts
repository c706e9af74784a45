import { z } from 'zod'
import { Refusal } from '../../core/refusal.ts'
import { durationForms, parseDuration, parseTime, timeForms } from '../../core/time.ts'
import type { KeyEnvironment } from '../../keys/record/key-text.ts'
import { type NewImportedKey, parseSha256 } from '../../keys/service/import-keys.ts'
import type { ErrorPart } from '../cli-error.ts'
import { checkNewKey } from './check-new-key.ts'

/** A key to import, and where in the file it stands: `line 3` or `item 3`. */
export interface ImportedLine {
  readonly where: string
  readonly key: NewImportedKey
}

export interface ImportedLines {
  readonly lines: readonly ImportedLine[]
  readonly faults: readonly ErrorPart[]
}

const timeExpected = `expected ${timeForms}, or null`
const time = z
  .string(timeExpected)
  .refine((text) => parseTime(text) !== undefined, timeExpected)
  .nullable()
  .exactOptional()
const durationExpected = `expected a duration, ${durationForms}`

const textExpected = 'expected a text'
const textsExpected = 'expected an array of texts'
const limitsExpected = 'expected an array of limits, or null'

/** A line as it may be written: the fields of the admin API, and the digest. */
const lineSchema = z
  .strictObject(
    {
      sha256: z
        .string('expected the SHA-256 of the whole key')
        .refine((text) => parseSha256(text) !== undefined, {
          error:
            'expected the SHA-256 of the whole key: 64 hex characters, or 32 bytes in base64 or base64url',
        }),
      name: z.string(textExpected),
      owner: z.string(textExpected).exactOptional(),
      environment: z.enum(['live', 'test'], 'expected `live` or `test`').exactOptional(),
      scopes: z.array(z.string(textExpected), textsExpected).exactOptional(),
      addresses: z.array(z.string(textExpected), textsExpected).exactOptional(),
      limits: z.array(z.string(textExpected), limitsExpected).nullable().exactOptional(),
      metadata: z.record(z.string(), z.unknown(), 'expected an object').exactOptional(),
      not_before: time,
      expires_at: time,
      expires_in: z
        .string(durationExpected)
        .refine((text) => parseDuration(text) !== undefined, durationExpected)
        .refine((text) => parseDuration(text) !== 0, 'expected a time to come')
        .exactOptional(),
    },
    { error: describeUnknown },
  )
  .refine((line) => line.expires_at === undefined || line.expires_in === undefined, {
    path: ['expires_in'],
    error: 'expected expires_at or expires_in, not both',
  })

/**
 * Reads keys to import: JSON Lines, or one JSON array. Every faulty line is named, with all that is
 * wrong with it; what a line holds is never shown, because it may be the key itself.
 */
export function readImportedLines(text: string, environment: KeyEnvironment): ImportedLines {
  const lines: ImportedLine[] = []
  const faults: ErrorPart[] = []
  const placeOf = new Map<string, string>()
  for (const { where, item } of splitItems(text.replace(/^\uFEFF/, ''))) {
    const key =
      item === undefined ? [{ where, message: 'expected a JSON object' }] : readLine(item, where, environment)
    if (Array.isArray(key)) {
      faults.push(...key)
      continue
    }
    const sha256 = parseSha256(key.sha256) ?? ''
    const before = placeOf.get(sha256)
    if (before !== undefined) faults.push({ where, message: `sha256: the same key as ${before}` })
    placeOf.set(sha256, where)
    lines.push({ where, key })
  }
  return { lines, faults }
}

interface Item {
  readonly where: string
  /** Undefined for what is not JSON. */
  readonly item: unknown
}

function splitItems(text: string): readonly Item[] {
  if (text.trimStart().startsWith('[')) {
    const array = parseJson(text)
    if (!Array.isArray(array)) return [{ where: 'file', item: undefined }]
    return array.map((item, index) => ({ where: `item ${index + 1}`, item: item ?? null }))
  }
  return text
    .split('\n')
    .map((line, index) => ({ where: `line ${index + 1}`, line: line.trim() }))
    .filter(({ line }) => line !== '')
    .map(({ where, line }) => ({ where, item: parseJson(line) }))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function readLine(item: unknown, where: string, environment: KeyEnvironment): NewImportedKey | ErrorPart[] {
  const result = lineSchema.safeParse(item)
  if (!result.success) {
    return result.error.issues.map(({ path, message }) => ({
      where,
      message: path.length === 0 ? message : `${path.join('.')}: ${message}`,
    }))
  }
  const {
    not_before: notBefore = null,
    expires_at: endsAt = null,
    expires_in: expiresIn,
    ...rest
  } = result.data
  const key: NewImportedKey = { environment, ...rest, notBefore, expiresAt: expiresIn ?? endsAt }
  // The end of a key has two fields, of which a line has one.
  const nameOf = (loc: readonly (string | number)[]): string =>
    expiresIn !== undefined && loc[0] === 'expires_at' ? 'expires_in' : loc.join('.')
  try {
    checkNewKey(key, Date.now())
    return key
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return (error.errors ?? []).map(({ loc, msg }) => ({
      where,
      message: `${nameOf(loc.slice(1))}: ${msg}`,
    }))
  }
}

/** The names of unknown fields are shown where they look like names. */
function describeUnknown(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') return 'expected a JSON object'
  if (issue.code !== 'unrecognized_keys') return undefined
  const names = issue.keys.map((key) => (/^\w{1,32}$/.test(key) ? key : 'a field name of another form'))
  const hint = issue.keys.includes('key') ? '; give the key’s sha256, not the key' : ''
  return `fields that mean nothing: ${names.join(', ')}${hint}`
}
