import { Refusal } from '../../core/refusal.ts'
import type { Costs } from '../../limits/usage/costs.ts'
import type { CallBound } from '../body/bound.ts'
import { requestHeaders } from './answer-headers.ts'
import type { CallDeps } from './call-deps.ts'
import { chargeOfCall } from './charge.ts'
import type { IncomingCall } from './incoming-call.ts'
import { type AdmittedCall, orGiveBack, reserveCall } from './prepare-call.ts'
import { nothingDelivered } from './received-answer.ts'

/** A call that is answered later, as it is stored: whichever process has its upstreams runs it. */
export interface JobInput {
  /** Of its route, with the prefix. */
  readonly path: string
  /** As it came. */
  readonly body: string
  /** Those of its head that go upstream. */
  readonly headers: Readonly<Record<string, string>>
  readonly requestId: string
  /** What is written where the client set no output bound. */
  readonly output?: number
  /** What was reserved; absent where its route has no tokens. */
  readonly bound?: CallBound
  /** Tokens of the prompt, where the upstream has counted them. */
  readonly promptTokens?: number
}

/** A call that has been accepted as a job. */
export interface AcceptedCall {
  readonly input: JobInput
  /** The model's public name; the upstream's where it names no model. */
  readonly model: string
  /** By measure: what was reserved, and what is charged where it is given up while it runs. */
  readonly reserved: Costs
  readonly abandoned: Costs
}

/**
 * Reserves what a call may use at most, and puts it into the form in which it waits. What is
 * refused here has used nothing.
 *
 * @throws Refusal `input_invalid` for a body that is no UTF-8; what `reserveCall` throws
 */
export async function acceptCall(
  deps: CallDeps,
  incoming: IncomingCall,
  admitted: AdmittedCall,
): Promise<AcceptedCall> {
  const body = await orGiveBack(incoming, async () => textOf(incoming.body))
  const prepared = await reserveCall(deps, incoming, admitted)
  const { bound, output, promptTokens, publicName } = prepared
  const { settings } = admitted.upstream
  const costsOf = (by: 'reserved' | 'delivered'): Costs =>
    chargeOfCall(deps.ratios, prepared, nothingDelivered, by)?.costs ?? {}
  return {
    input: {
      path: incoming.pattern,
      body,
      headers: requestHeaders(incoming),
      requestId: incoming.exchange.id,
      ...(output !== undefined && { output }),
      ...(bound && { bound }),
      ...(promptTokens !== undefined && { promptTokens }),
    },
    model: publicName ?? settings.name,
    reserved: costsOf('reserved'),
    abandoned: costsOf(settings.abandoned === 'reserved' ? 'reserved' : 'delivered'),
  }
}

/** Bodies that are scanned are UTF-8; of a route that the operator opened anything may come. */
function textOf(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    throw new Refusal('input_invalid', 'The body of a job must be UTF-8.')
  }
}
