import { isWholeFrom } from '../core/check-options.ts'
import { Refusal } from '../core/refusal.ts'
import { type Clock, durationInputForms, type OverlapOptions, oneOverlap, readOverlap } from '../core/time.ts'
import { type JobChanger, type JobOwner, ownerOf } from '../jobs/job-service.ts'
import { isLabel, labelLengthMax } from '../keys/fields/key-fields.ts'
import type { ChangeRecorder } from '../ledger/write/change-recorder.ts'
import type { EntryWriter } from '../ledger/write/entry-writer.ts'
import type { WebhookOutbox } from './outbox.ts'
import { createRetryDelivery } from './retry-delivery.ts'
import { drawWebhookSecret, formatWebhookSecret, type WebhookSecretSeal } from './secret.ts'
import { parseTarget, type TargetRules } from './target.ts'
import { type DeliveryView, viewDelivery } from './view.ts'

/** Webhooks, as the server, the command line and a library's user see them. */
export interface WebhookService {
  /**
   * Gives an owner a new secret, and gives its text (`whsec_…`) this once. The secret before it
   * goes on signing beside it for the overlap, so that receivers can be changed over; older ones
   * end at once.
   *
   * @throws Refusal `input_invalid`, by rejecting, for an owner or an overlap that cannot be
   * @throws Fault `ledger_unavailable` or `store_unavailable`, by rejecting
   */
  readonly rotateSecret: (owner: string, options?: RotateSecretOptions) => Promise<string>
  /**
   * Refuses a URL that a webhook can never be sent to. A name is not looked up: what its addresses
   * are is asked, and checked, when it is connected to.
   *
   * @throws Refusal `input_invalid` at `body.webhook`, saying what is allowed
   */
  readonly checkTarget: (url: string) => void
  /**
   * Refuses a webhook of an owner who has no secret to sign it with: it could never be sent, and
   * nothing but the list of deliveries would say so.
   *
   * @throws Refusal `input_invalid` at `body.webhook`, by rejecting
   * @throws Fault `store_unavailable`, by rejecting
   */
  readonly checkSecret: (owner: string) => Promise<void>
  /** Deliveries of an owner's jobs with what became of their last attempt, newest first. */
  readonly listDeliveries: (owner: JobOwner, query?: DeliveryListQuery) => Promise<readonly DeliveryView[]>
  /**
   * Has a delivery that has ended, delivered or given up, sent again: at once, with the same id and
   * text, and all its attempts. One that waits is given as it is. It is sent by a process that
   * sends webhooks, and its URL is held against that process's rules again.
   *
   * @throws Refusal `delivery_not_found`, by rejecting, always the same, where the owner has no
   *   such delivery: it never was, was deleted with its job, or is another owner's
   * @throws Refusal `input_invalid` at `path.id`, by rejecting, where the owner has no secret to
   *   sign it with
   * @throws Fault `ledger_unavailable` or `store_unavailable`, by rejecting
   */
  readonly retryDelivery: (owner: JobOwner, id: string, changer?: JobChanger) => Promise<DeliveryView>
  /** The same, for changes by another: a key's id, or a name such as `cli`. */
  readonly by: (who: string) => WebhookService
}

/** Which deliveries to list. */
export interface DeliveryListQuery {
  /**
   * Of all owners' deliveries only this one's; it never widens what may be seen.
   * @default as the first argument says
   */
  readonly owner?: string | undefined
  /** Only those of this job. */
  readonly jobId?: string | undefined
  /** 1 to 1,000. @default 100 */
  readonly limit?: number
}

/**
 * How a webhook secret takes the place of the one before it. The overlap is how long that one still
 * signs: 0 to 30 days, 24 hours unless it is given.
 */
export interface RotateSecretOptions extends OverlapOptions {}

export interface WebhookServiceOptions {
  readonly outbox: WebhookOutbox
  readonly seal: WebhookSecretSeal
  readonly rules: TargetRules
  readonly clock: Clock
  /** Called with each change that was made. */
  readonly changes: ChangeRecorder
  /** Where retried deliveries are recorded. */
  readonly writer: Pick<EntryWriter, 'write'>
  /** Called when a delivery has become due. @default the next look at the outbox finds it */
  readonly onDue?: () => void
}

const isLimit = isWholeFrom(1, 1_000)
const dayMs = 86_400_000
const overlapMsMax = 30 * dayMs

export function createWebhookService(options: WebhookServiceOptions): WebhookService {
  const { outbox, seal, rules, clock, changes } = options

  async function requireSecret(owner: string, loc: readonly string[]): Promise<void> {
    const secrets = await outbox.findWebhookSecrets(owner, clock())
    if (secrets.length > 0) return
    const msg =
      'There is no secret to sign it with: make one first, by `POST /webhooks/secret` or `modelward webhooks secret`'
    throw invalid(loc, msg, 'webhook_secret_missing')
  }

  return {
    by: (who) => createWebhookService({ ...options, changes: changes.by(who) }),
    async listDeliveries(owner, query = {}) {
      const { limit = 100 } = query
      if (!isLimit(limit))
        throw new TypeError(`webhooks.listDeliveries: \`limit\`: expected 1 to 1,000, got ${limit}`)
      const found = await outbox.listDeliveries({ ...query, limit, ...ownerOf(owner) })
      return found.map(viewDelivery)
    },
    checkTarget(url) {
      const parsed = parseTarget(url, rules)
      if ('fault' in parsed) throw invalid(['body', 'webhook'], parsed.fault, 'webhook_url')
    },
    checkSecret: (owner) => requireSecret(owner, ['body', 'webhook']),
    retryDelivery: createRetryDelivery({
      ...options,
      checkSecret: (owner) => requireSecret(owner, ['path', 'id']),
    }),
    async rotateSecret(owner, rotation = {}) {
      const overlapMs = readOverlap(rotation) ?? dayMs
      checkRotation(owner, overlapMs)
      await changes.ensureWritable()
      const secret = drawWebhookSecret()
      const now = clock()
      const sealed = seal.seal(secret, owner)
      await outbox.addWebhookSecret({ owner, sealed, createdAt: now, signsUntil: null }, now + overlapMs)
      const detail = { overlap_ms: overlapMs }
      await changes.record([{ event: 'webhook.secret_rotated', keyId: null, owner, detail }])
      return formatWebhookSecret(secret)
    },
  }
}

function checkRotation(owner: string, overlapMs: number): void {
  if (!isLabel(owner))
    throw invalid(['path', 'owner'], `expected 1 to ${labelLengthMax} printable characters`, 'label')
  if (Number.isNaN(overlapMs))
    throw invalid(['body', 'overlap'], `expected ${durationInputForms}; ${oneOverlap}`, 'duration')
  if (overlapMs > overlapMsMax)
    throw invalid(['body', 'overlap'], 'expected a duration of at most 30d', 'duration')
}

function invalid(loc: readonly string[], msg: string, type: string): Refusal {
  return new Refusal('input_invalid', undefined, { errors: [{ loc, msg, type }] })
}
