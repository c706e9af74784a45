import { z } from 'zod'
import { Refusal } from '../../../core/refusal.ts'
import { durationForms, parseMomentAgo, timeForms } from '../../../core/time.ts'
import { isLedgerEvent, type LedgerEvent, ledgerCodes, ledgerEvents } from '../../../ledger/format/event.ts'
import { parsePosition } from '../../../ledger/format/position.ts'
import type { LedgerFilter, LedgerQuery, UsageQuery } from '../../../ledger/ledger.ts'
import type { OwnerPositions } from '../../../ledger/query/owner-positions.ts'
import type { LedgerRecordView } from '../../../ledger/query/record-view.ts'
import {
  parseUsageGroups,
  type UsageView,
  usageDefaults,
  usageGroups,
} from '../../../ledger/query/usage-view.ts'

/** What `GET /v1/ledger` takes; times as they were sent. */
export interface LedgerRequest {
  readonly key_id?: string
  readonly owner?: string
  readonly code?: string
  readonly event?: LedgerEvent
  readonly route?: string
  readonly request_id?: string
  readonly since?: string
  readonly until?: string
  readonly limit: number
  readonly after?: string
  readonly order: LedgerQuery['order']
}

/** What `GET /v1/usage` takes. */
export interface UsageRequest extends Pick<LedgerRequest, 'key_id' | 'owner' | 'since' | 'until'> {
  readonly by?: string
  readonly format: 'json' | 'csv'
}

const moment = z
  .string()
  .refine((text) => parseMomentAgo(text, 0) !== undefined, {
    message: `Expected a duration ago, ${durationForms}, ${timeForms}, or milliseconds since the epoch`,
  })
  .meta({ examples: ['2027-01-31T12:00:00Z', '2027-01-31', '24h'] })
const since = moment
  .exactOptional()
  .describe('From this moment on: a duration ago, ISO 8601, or milliseconds since the epoch.')
const until = moment.exactOptional().describe('Before this moment.')
const keyId = z
  .string()
  .exactOptional()
  .meta({ examples: ['7Qm2xT0bKc9Z'] })

const events = Object.keys(ledgerEvents).filter(isLedgerEvent)

export const ledgerQuery: z.ZodType<LedgerRequest> = z.strictObject({
  key_id: keyId,
  owner: z.string().exactOptional(),
  code: z.enum(ledgerCodes).exactOptional().describe('What was answered.'),
  event: z.enum(events).exactOptional(),
  route: z
    .string()
    .exactOptional()
    .describe('The route’s pattern, as the app declares it.')
    .meta({ examples: ['/predict'] }),
  request_id: z.string().exactOptional(),
  since,
  until,
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  after: z
    .string()
    .exactOptional()
    .describe(
      'Only what comes after this record in the order: the `next` of the page before, or a record’s `position`.',
    ),
  order: z
    .enum(['newest', 'oldest'])
    .default('newest')
    .describe('The newest first, or as they were written.'),
})

export const usageQuery: z.ZodType<UsageRequest> = z.strictObject({
  key_id: keyId,
  owner: z.string().exactOptional(),
  since: since.describe('Without it: the start, UTC, of the day 29 days before `until` or now.'),
  until,
  by: z
    .string()
    .refine((text) => parseUsageGroups(text) !== undefined, {
      message: `Expected any of ${usageGroups.join(', ')}, each once and joined by commas`,
    })
    .exactOptional()
    .describe(
      'What there is a row for, joined by commas; `key,day` where it is left out. Days and months are UTC.',
    )
    .meta({ examples: ['owner,day'] }),
  format: z.enum(['json', 'csv']).default('json').describe('CSV has what customers are charged for.'),
})

/**
 * A request's query, as the ledger takes it.
 *
 * @param now milliseconds since the epoch, from where durations count
 * @param positions as the one owner is shown them whose records are asked for; real ones without it
 * @throws Refusal `input_invalid` for a span that ends before it begins, or what is no position
 */
export function readLedgerQuery(
  request: LedgerRequest,
  now: number,
  positions?: OwnerPositions,
): LedgerQuery {
  const { limit, order, code, event, route, request_id: requestId } = request
  const after = request.after === undefined ? undefined : readAfter(request.after, positions)
  return { ...readCommon(request, now), limit, order, after, code, event, route, requestId }
}

function readAfter(text: string, positions: OwnerPositions | undefined): string {
  const after = positions === undefined ? parsePosition(text) && text : positions.show(text)
  if (after !== undefined) return after
  const whose = positions === undefined ? '' : ', as it is shown to keys of this owner'
  const msg = `Expected the \`next\` of a page, or the \`position\` of a record${whose}`
  throw new Refusal('input_invalid', undefined, {
    errors: [{ loc: ['query', 'after'], msg, type: 'cursor' }],
  })
}

/**
 * @param now milliseconds since the epoch: where the default span ends, and durations begin
 * @throws Refusal `input_invalid` for a span that ends before it begins
 */
export function readUsageQuery(request: UsageRequest, now: number): UsageQuery {
  const common = readCommon(request, now)
  const defaults = usageDefaults(common.until ?? now)
  const by = request.by === undefined ? undefined : parseUsageGroups(request.by)
  return { ...common, since: common.since ?? defaults.since, by: by ?? defaults.by }
}

function readCommon(
  request: Pick<LedgerRequest, 'key_id' | 'owner' | 'since' | 'until'>,
  now: number,
): Pick<LedgerFilter, 'keyId' | 'owner' | 'since' | 'until'> {
  const { key_id: keyId, owner } = request
  const since = request.since === undefined ? undefined : parseMomentAgo(request.since, now)
  const until = request.until === undefined ? undefined : parseMomentAgo(request.until, now)
  // It would find nothing, which was not meant.
  if (since !== undefined && until !== undefined && since >= until) {
    const msg = 'Expected a moment after that of since'
    throw new Refusal('input_invalid', undefined, {
      errors: [{ loc: ['query', 'until'], msg, type: 'time_order' }],
    })
  }
  return { keyId, owner, since, until }
}

const count = z.number().int()
const counts = z.record(z.string(), count)
const optionalText = z.string().nullable()

/** A record as the caller may see it. */
interface ShownRecordView extends Omit<LedgerRecordView, 'seq'> {
  /** Null for an owner, whom it would tell how much others write. */
  readonly seq: number | null
}

const recordView: z.ZodType<ShownRecordView> = z.object({
  position: z
    .string()
    .describe('A cursor: `after` goes on from it. With `usage:owner` an opaque text of the owner’s own.'),
  time: z.iso.datetime(),
  event: z.enum(events),
  request_id: optionalText,
  client_request_id: optionalText.describe('The client’s own; never trusted.'),
  code: optionalText,
  key_id: optionalText,
  owner: optionalText,
  method: optionalText,
  route: optionalText,
  status: count.nullable(),
  latency_ms: z.number().nullable(),
  measures: counts,
  address: optionalText,
  detail: z
    .record(
      z.string(),
      z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string()).readonly()]),
    )
    .nullable(),
  stream: z.string().describe('Who wrote it.'),
  seq: count
    .nullable()
    .describe('Its number in the stream, from 1 on, without gaps; null with `usage:owner`.'),
  hash: z.string().describe('SHA-256 of the stream’s chain up to and with it.'),
})

/** A page of records. */
export interface LedgerPageView {
  readonly records: readonly ShownRecordView[]
  readonly next: string | null
}

/** The same, for OpenAPI. */
export const ledgerPageView: z.ZodType<LedgerPageView> = z.object({
  records: z.array(recordView),
  next: z.string().nullable(),
})

/** What was used, for OpenAPI. */
export const usageView: z.ZodType<{ readonly usage: readonly UsageView[] }> = z.object({
  usage: z.array(
    z.object({
      key_id: optionalText,
      key_name: optionalText,
      owner: optionalText,
      route: optionalText.describe('The route’s pattern; `other` for all beyond the first 500.'),
      model: optionalText.describe('As records have it in `detail.model`; `other` as with routes.'),
      day: optionalText,
      month: optionalText,
      requests: count,
      admitted: count,
      operational: count.describe('Requests that no customer is charged for.'),
      refused: counts.describe('By code.'),
      measures: counts.describe('Of requests that customers are charged for.'),
      latency_ms: z.object({ p50: z.number(), p95: z.number(), p99: z.number() }).nullable(),
      last_used_at: z.iso
        .datetime()
        .nullable()
        .describe('When a request was admitted, or a key’s secret was proven, last.'),
    }),
  ),
})
