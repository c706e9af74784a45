import type { Clock } from '../core/time.ts'
import { type JobOrigin, readOrigin } from '../jobs/job-origin.ts'
import { ledgerEntry } from '../ledger/format/record.ts'
import type { EntryWriter } from '../ledger/write/entry-writer.ts'
import type { WebhookOutcome } from '../telemetry/measures.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { type TraceContext, traceHeaders } from '../telemetry/trace-context.ts'
import { endOf } from '../telemetry/tracing.ts'
import { reasonOf } from './failure.ts'
import { signWebhook, writeWebhookBody } from './message.ts'
import type { DeliveryAttempt, DeliveryResult, WebhookDelivery, WebhookOutbox } from './outbox.ts'
import { type SendOptions, sendWebhook } from './request.ts'
import { afterAttempt, isRedirect } from './retry.ts'
import type { WebhookSecretSeal } from './secret.ts'
import { parseTarget } from './target.ts'

export interface AttemptOptions extends SendOptions {
  readonly outbox: Pick<WebhookOutbox, 'findWebhookSecrets' | 'settleDelivery'>
  readonly seal: WebhookSecretSeal
  readonly writer: Pick<EntryWriter, 'write'>
  readonly clock: Clock
  /** 0 to 1, for the waits between attempts. */
  readonly random: () => number
  readonly telemetry: Telemetry
}

/** The newest, and the one that it replaces. */
const signingSecretsMax = 2

/** The request that made its job. Of a damaged row nothing is known but its id: undefined. */
export function originOf({ isDamaged, job }: WebhookDelivery): JobOrigin | undefined {
  return isDamaged ? undefined : readOrigin(job.requestId)
}

/**
 * Attempts a claimed delivery once, settles it, and records where it has ended. Rejects where the
 * store cannot be reached; the lease then ends by itself, and the receiver may get the message
 * again, under the same id.
 */
export async function attemptDelivery(
  delivery: WebhookDelivery,
  options: AttemptOptions,
  signal: AbortSignal,
): Promise<void> {
  const { id, lease } = delivery
  if (lease === null) throw new Error('a delivery was claimed without a lease')
  const { retryAfter, ...outcome } = await sendTraced(delivery, options, signal)
  const result: DeliveryResult = { at: options.clock(), ...outcome }
  const then = afterAttempt(result, delivery.attempts, retryAfter, options.random())
  await options.outbox.settleDelivery({ id, lease, result, then })
  options.telemetry.measures.webhookAttempt(measuredOutcome(then))
  await recordEnd(delivery, { result, then }, options)
}

function measuredOutcome(then: DeliveryAttempt['then']): WebhookOutcome {
  if (then === 'delivered') return 'delivered'
  return then === 'failed' ? 'gave_up' : 'failed'
}

type Outcome = Pick<DeliveryResult, 'status' | 'reason'> & { readonly retryAfter: string | null }

/** Sends it in a span of its own, in the trace of the request that submitted the job. */
async function sendTraced(
  delivery: WebhookDelivery,
  options: AttemptOptions,
  signal: AbortSignal,
): Promise<Outcome> {
  const { owner, job } = delivery
  const { trace } = readOrigin(job.requestId)
  const { tracing } = options.telemetry
  const span = tracing?.begin('modelward.webhook', {
    kind: 'client',
    parent: trace,
    links: trace === undefined ? [] : [trace],
    attributes: {
      'http.request.method': 'POST',
      'modelward.owner': tracing.tellsOwners ? owner : undefined,
      'modelward.job.id': delivery.jobId,
      'modelward.webhook.attempt': delivery.attempts,
    },
  })
  const outcome = await send(delivery, options, signal, span?.context ?? trace).catch((thrown: unknown) => {
    span?.end(endOf(thrown))
    throw thrown
  })
  const { status, reason } = outcome
  span?.end({
    attributes: {
      'http.response.status_code': status ?? undefined,
      'error.type': reason ?? undefined,
    },
    isError: status === null || status >= 300,
  })
  return outcome
}

async function send(
  delivery: WebhookDelivery,
  options: AttemptOptions,
  signal: AbortSignal,
  trace: TraceContext | undefined,
): Promise<Outcome> {
  if (delivery.isDamaged) return failed('damaged')
  // Again, for what is allowed may have changed since the job was accepted.
  const parsed = parseTarget(delivery.url, options.rules)
  if ('fault' in parsed) return failed('address_denied')
  const secrets = await openSecrets(delivery, options)
  if (secrets.length === 0) return failed('secret_missing')
  const body = writeWebhookBody(delivery)
  const headers = {
    ...signWebhook(delivery.id, options.clock(), body, secrets),
    ...(trace !== undefined && traceHeaders(trace)),
  }
  try {
    const { status, retryAfter } = await sendWebhook(
      { target: parsed.target, headers, body, signal },
      options,
    )
    return { status, reason: isRedirect(status) ? 'redirect' : null, retryAfter }
  } catch (thrown) {
    return failed(reasonOf(thrown))
  }
}

function failed(reason: NonNullable<Outcome['reason']>): Outcome {
  return { status: null, reason, retryAfter: null }
}

async function openSecrets(
  delivery: WebhookDelivery,
  options: AttemptOptions,
): Promise<readonly Uint8Array[]> {
  const { owner } = delivery
  const found = await options.outbox.findWebhookSecrets(owner, options.clock())
  return found.slice(0, signingSecretsMax).flatMap(({ sealed }) => {
    try {
      return [options.seal.open(sealed, owner)]
    } catch (thrown) {
      // Its pepper is gone, or it was changed: a signature by it would be worth nothing.
      options.telemetry.event('webhook.secret_unreadable', {}, thrown, originOf(delivery))
      return []
    }
  })
}

/**
 * After it was settled, for a record of something that did not happen could not be taken back.
 * Never the URL: it may bear a secret of the receiver's.
 */
async function recordEnd(
  delivery: WebhookDelivery,
  { result, then }: Pick<DeliveryAttempt, 'result' | 'then'>,
  { writer, clock, telemetry }: AttemptOptions,
): Promise<void> {
  if (typeof then !== 'string') return
  const { id, jobId, job, isDamaged, owner, attempts } = delivery
  const { status, reason } = result
  const origin = originOf(delivery)
  if (then === 'failed') {
    const fields = { delivery: id, attempts, reason: reason ?? `status ${status}` }
    telemetry.event('webhook.gave_up', fields, undefined, origin)
  }
  const detail = { job: jobId, webhook: id, outcome: then, attempts, status, reason }
  const keyId = isDamaged ? null : job.keyId
  try {
    await writer.write(ledgerEntry({ at: clock(), event: 'webhook.ended', keyId, owner, detail }))
  } catch (thrown) {
    telemetry.event('webhook.not_recorded', {}, thrown, origin)
  }
}
