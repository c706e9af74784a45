import type { FastifyReply, FastifyRequest } from 'fastify'
import { Refusal } from '../../core/refusal.ts'
import type { IncomingCall } from '../../gateway/call/incoming-call.ts'
import type { AcceptedCall } from '../../gateway/call/job-call.ts'
import type { AdmittedCall } from '../../gateway/call/prepare-call.ts'
import { findRequestSpan } from '../../guard/exchange/request-span.ts'
import type { Idempotency } from '../../idempotency/answer-seal.ts'
import type { SubmittedJob } from '../../jobs/job-service.ts'
import { settleWhenBack } from '../../limits/usage/settle-when-back.ts'
import type { TakenReservation } from '../../limits/usage/taken-reservation.ts'
import { clientGone } from '../http/client-end.ts'
import { sendAccepted } from '../predict/submit-prediction.ts'
import { laneOf } from './gateway-jobs.ts'
import type { GatewayRoutesDeps } from './gateway-routes-deps.ts'
import { sendKept } from './keep-answer.ts'

/** A whole call that is to be answered later. */
export interface LaterCall {
  readonly incoming: Omit<IncomingCall, 'upstreams'>
  readonly idempotency: Idempotency | undefined
}

/** What the job of a call settles and records at its end: its request does neither. */
const chargedLater: readonly string[] = ['tokens', 'prompt_tokens', 'completion_tokens']

const none = Object.fromEntries(chargedLater.map((measure) => [measure, 0]))

/**
 * Makes a job of a call: its model is checked and its bound reserved before it is accepted. A
 * repeated request gets the first one's job, or the answer that the first one got at once.
 *
 * @throws Refusal `body_too_large`; what `Gateway.admit`, `Gateway.reserve` and `JobService.submit`
 *   throw
 */
export async function submitCall(
  deps: GatewayRoutesDeps,
  { incoming, idempotency }: LaterCall,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { gateway, jobs, batchBodyMax } = deps
  const { exchange, body } = incoming
  if (body.length > batchBodyMax)
    throw new Refusal('body_too_large', `A call that becomes a job may have ${batchBodyMax} bytes.`)
  const admitted = await gateway.admit({ ...incoming, streamRefusal: streamRefusal() })
  // The guard has already returned what this request took of its limits.
  if (reply.raw.closed) throw clientGone()
  try {
    const submitted = await submit(deps, { incoming, idempotency }, admitted, request)
    if (submitted.isReplayed) exchange.detail = { repeated: true }
    return await sendAccepted(deps, submitted, request, reply)
  } catch (thrown) {
    if (!isMismatch(thrown) || idempotency === undefined) throw thrown
    // The first request may have been answered at once.
    const kept = await jobs.runOnce(idempotency, () => Promise.reject(thrown))
    exchange.detail = { repeated: true }
    return sendKept(reply, kept)
  }
}

async function submit(
  { gateway, jobs }: GatewayRoutesDeps,
  { incoming, idempotency }: LaterCall,
  admitted: AdmittedCall,
  request: FastifyRequest,
): Promise<SubmittedJob> {
  const { owner, keyId } = request.caller
  const { exchange } = incoming
  const usage = exchange.openUsage()
  let reserved: { readonly call: AcceptedCall; readonly reservation: TakenReservation } | undefined
  // What is written of it, once its bound is reserved.
  const inputs: unknown[] = [null]
  return await jobs.submit({
    owner,
    keyId,
    requestId: request.id,
    trace: findRequestSpan(request)?.context,
    model: laneOf(admitted.upstream.settings.name),
    kind: 'single',
    inputs,
    usage,
    // Not for a repeat: its job has been accepted.
    async prepare() {
      const call = await gateway.reserve(incoming, admitted)
      reserved = { call, reservation: usage.handOver(chargedLater) }
      inputs[0] = call.input
    },
    call() {
      if (reserved === undefined) throw new TypeError('a call was accepted that is not reserved')
      const { model, reserved: costs, abandoned } = reserved.call
      return { model, reserved: costs, abandoned, taken: reserved.reservation.parts }
    },
    async giveBack() {
      const { reservation } = reserved ?? {}
      if (reservation !== undefined) await settleWhenBack(exchange, () => reservation.settle(none))
    },
    idempotency,
  })
}

function isMismatch(thrown: unknown): boolean {
  return thrown instanceof Refusal && thrown.code === 'idempotency_mismatch'
}

function streamRefusal(): Refusal {
  return new Refusal('input_invalid', 'A job has no stream: its result is whole.', {
    errors: [
      { loc: ['header', 'Prefer'], msg: 'Expected no respond-async with a stream', type: 'not_allowed' },
    ],
  })
}
