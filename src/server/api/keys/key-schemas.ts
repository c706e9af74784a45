import { z } from 'zod'
import { durationForms, parseDuration, parseTime, timeForms } from '../../../core/time.ts'
import { labelLengthMax } from '../../../keys/fields/key-fields.ts'
import { type KeyStatus, keyStatuses } from '../../../keys/record/key-status.ts'
import type { KeyEnvironment } from '../../../keys/record/key-text.ts'
import type { KeyView } from '../../../keys/record/views.ts'
import { type KeySort, keySorts } from '../../../keys/store/key-store.ts'
import type { LimitView } from '../../../limits/limit-view.ts'

/** The body of a change to a key; times are as `parseTime` reads them, and null clears one. */
export interface KeyChangesBody {
  readonly name?: string
  readonly owner?: string
  readonly scopes?: readonly string[]
  readonly metadata?: Readonly<Record<string, unknown>>
  readonly addresses?: readonly string[]
  readonly limits?: readonly string[] | null
  readonly not_before?: string | null
  readonly expires_at?: string | null
  readonly expires_in?: string
}

export interface NewKeyBody extends KeyChangesBody {
  readonly name: string
  readonly environment?: KeyEnvironment
}

export interface ImportedKeyBody extends NewKeyBody {
  readonly sha256: string
}

export interface ListQuery {
  readonly limit: number
  readonly cursor?: string
  readonly sort: KeySort | `-${KeySort}`
  readonly owner?: string
  readonly scope?: string
  readonly environment?: KeyEnvironment
  readonly status?: KeyStatus
  readonly name?: string
  readonly unused?: string
}

const label = z.string().min(1).max(labelLengthMax)
const environment = z.enum(['live', 'test'])
const time = z
  .string()
  .refine((text) => parseTime(text) !== undefined, { message: `Expected ${timeForms}` })
  .meta({ examples: ['2027-01-31T12:00:00Z', '2027-01-31'] })
/** A duration as people write it. */
export const duration: z.ZodType<string> = z
  .string()
  .refine((text) => parseDuration(text) !== undefined, { message: `Expected a duration: ${durationForms}` })
  .meta({ examples: ['30d'] })

/**
 * The fields of a key that people set, all optional; what they may hold is checked where keys are
 * made.
 */
const fields = {
  owner: label.exactOptional().describe('Groups keys; a key without an owner is its own.'),
  scopes: z
    .array(z.string())
    .exactOptional()
    .meta({ examples: [['predict']] }),
  metadata: z.record(z.string(), z.unknown()).exactOptional(),
  addresses: z
    .array(z.string())
    .exactOptional()
    .describe('Addresses or CIDR blocks the key may be used from; empty: anywhere.'),
  limits: z
    .array(z.string())
    .nullable()
    .exactOptional()
    .describe('The key’s own limits; empty: none, null: the deployment’s default.')
    .meta({ examples: [['10/min', '1000/day']] }),
  not_before: time
    .nullable()
    .exactOptional()
    .describe('From when on it works: ISO 8601, a time with its zone, or a date from 00:00 UTC on.'),
  expires_at: time
    .nullable()
    .exactOptional()
    .describe('When it ends: ISO 8601, a time with its zone, or a date for its 00:00 UTC; null: never.'),
  expires_in: duration
    .refine((text) => parseDuration(text) !== 0, { message: 'Expected a time in the future, longer than 0' })
    .exactOptional()
    .describe('How long it works from now on, in place of `expires_at`.'),
}

const oneExpiry = (key: { expires_at?: unknown; expires_in?: unknown }): boolean =>
  key.expires_at === undefined || key.expires_in === undefined
const oneExpiryFault = { path: ['expires_in'], message: 'Send expires_at or expires_in, not both' }

const newKeyFields = z.strictObject({ name: label, environment: environment.exactOptional(), ...fields })

export const newKeyBody: z.ZodType<NewKeyBody> = newKeyFields.refine(oneExpiry, oneExpiryFault)

export const importBody: z.ZodType<readonly ImportedKeyBody[]> = z
  .array(
    newKeyFields
      .extend({ sha256: z.string().describe('SHA-256 of the whole key: hex, base64 or base64url.') })
      .refine(oneExpiry, oneExpiryFault),
  )
  .min(1)
  .max(1_000)

export const keyChangesBody: z.ZodType<KeyChangesBody> = z
  .strictObject({ name: label.exactOptional(), ...fields })
  .refine(oneExpiry, oneExpiryFault)

/** Bodies that may be left out. */
export type RotateBody = { readonly overlap?: string } | null
export type RevokeBody = { readonly reason?: string } | null

export const rotateBody: z.ZodType<RotateBody> = z
  .strictObject({ overlap: duration.exactOptional() })
  .nullable()
export const revokeBody: z.ZodType<RevokeBody> = z.strictObject({ reason: label.exactOptional() }).nullable()
export const noBody: z.ZodType<Readonly<Record<string, never>> | null> = z.strictObject({}).nullable()

/** What a change that ends a key takes. */
export interface ForceQuery {
  readonly force?: 'true' | 'false'
}

export const forceQuery: z.ZodType<ForceQuery> = z.object({
  force: z
    .enum(['true', 'false'])
    .exactOptional()
    .describe(
      'Whether a key that manages its owner’s keys may end the last active one that does. Others need not say.',
    ),
})

export const keyParams: z.ZodType<{ readonly id: string }> = z.object({ id: z.string() })

export const listQuery: z.ZodType<ListQuery> = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  cursor: z.string().exactOptional(),
  sort: z
    .enum(keySorts.flatMap((sort) => [sort, `-${sort}`] as const))
    .default('-created_at')
    .describe('A minus in front turns the order round.'),
  owner: z.string().exactOptional(),
  scope: z.string().exactOptional(),
  environment: environment.exactOptional(),
  status: z.enum(keyStatuses).exactOptional(),
  name: z.string().min(1).exactOptional().describe('Part of the name, in any case.'),
  unused: duration
    .exactOptional()
    .describe('Only keys that were not used for so long, and made before.')
    .meta({ examples: ['90d'] }),
})

const shownTime = z.iso.datetime().nullable()

const shownKey = z.object({
  id: z.string(),
  name: z.string(),
  owner: z.string(),
  environment,
  status: z.enum(keyStatuses),
  scopes: z.array(z.string()),
  metadata: z.record(z.string(), z.unknown()),
  addresses: z.array(z.string()),
  limits: z.array(z.string()).nullable(),
  imported: z.boolean(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
  not_before: shownTime,
  expires_at: shownTime,
  disabled_at: shownTime,
  disabled_by: z
    .enum(['owner', 'operator'])
    .nullable()
    .describe('Who disabled it: a key of its owner, which may enable it, or an operator.'),
  revoked_at: shownTime,
  revoked_reason: z.string().nullable(),
  last_used_at: shownTime.describe('When its secret was proven last, to the minute.'),
  secrets: z.array(z.object({ created_at: z.iso.datetime(), ends_at: shownTime })),
})

/** A key as it is shown, for OpenAPI. */
export const keyView: z.ZodType<KeyView> = shownKey

const warnings = z
  .array(
    z.discriminatedUnion('code', [
      z.object({
        code: z.literal('scope_unknown'),
        scope: z.string(),
        did_you_mean: z.string().nullable(),
      }),
      z.object({ code: z.literal('limit_unreachable'), limit: z.string(), reached_first: z.string() }),
    ]),
  )
  .optional()
  .describe('What was probably not meant. Absent where there is nothing to say.')

/** What a change of a key is answered with. */
export const changedKeyView: z.ZodType<KeyView> = shownKey.extend({ warnings })

export const issuedKeyView: z.ZodType<KeyView & { readonly key: string }> = shownKey.extend({
  key: z.string().describe('Shown this once.'),
  warnings,
})

export const keyPageView: z.ZodType<{
  readonly keys: readonly KeyView[]
  readonly next_cursor: string | null
  readonly damaged?: readonly string[]
}> = z.object({
  keys: z.array(keyView),
  next_cursor: z.string().nullable(),
  damaged: z
    .array(z.string())
    .exactOptional()
    .describe('Ids of keys that are stored and cannot be believed: they are left out, and admitted nowhere.'),
})

/** How one limit of a key stands. */
export const limitView: z.ZodType<LimitView> = z.object({
  limit: z.string().meta({ examples: ['60/min'] }),
  of: z.enum(['key', 'owner', 'route', 'everyone']),
  used: z.number().int(),
  remaining: z.number().int(),
  frees_in: z.number().int().nullable().describe('Seconds until more comes free.'),
  passes_in: z.number().int().nullable().describe('Seconds until one more request passes; 0: now.'),
})

/** How the limits of a key stand. */
export const limitPageView: z.ZodType<{ readonly limits: readonly LimitView[] }> = z.object({
  limits: z.array(limitView),
})

/** A key as it reads itself. */
export const ownKeyView: z.ZodType<KeyView & { readonly limits_left: readonly LimitView[] }> =
  shownKey.extend({ limits_left: z.array(limitView) })
