import type { FastifyReply, FastifyRequest } from 'fastify'
import { Refusal } from '../../core/refusal.ts'
import { usageOf } from '../../fastify/guard.ts'
import type { JobService } from '../../jobs/job-service.ts'
import type { ServedModel } from '../../models/model.ts'
import type { Ward } from '../../ward/ward.ts'
import type { WebhookService } from '../../webhooks/webhook-service.ts'
import { countInput } from './predict-input.ts'

/** What the routes that ask a model share. */
export interface PredictDeps {
  readonly ward: Pick<Ward, 'guard'>
  readonly jobs: JobService
  readonly webhooks: Pick<WebhookService, 'checkTarget'>
  readonly textMax: number
  readonly batchBodyMax: number
}

type Outputs = readonly unknown[]

/** Asks a model for a client that may go away. At once where the model is. */
export function askModel(
  model: ServedModel,
  inputs: readonly unknown[],
  { raw }: FastifyReply,
): Outputs | Promise<Outputs> {
  // The response has emitted `close` already, so the model could not be told.
  if (raw.closed) throw clientGone()
  const outputs = model.predict(inputs, {
    onClientGone: (listener) => {
      raw.once('close', () => raw.writableFinished || listener())
    },
  })
  if (!(outputs instanceof Promise)) return outputs
  return outputs.catch((thrown: unknown) => {
    // The client has gone, and nothing has failed.
    if (raw.destroyed && !raw.writableFinished) throw clientGone()
    throw thrown
  })
}

/** For a request whose client has gone: recorded, and never sent. */
export function clientGone(): Refusal {
  return new Refusal('request_malformed', 'The client went away.', { reason: 'client gone' })
}

/**
 * Takes the measures that are known only now that the body has been read. Undefined where no limit
 * counts them.
 *
 * @throws Refusal, by rejecting, where they do not fit
 */
export function takeCharacters(
  ward: PredictDeps['ward'],
  inputs: readonly unknown[],
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> | undefined {
  const usage = usageOf(ward, request)
  if (!usage.counts('characters')) return undefined
  return take()

  async function take(): Promise<void> {
    const characters = inputs.reduce<number>((sum, input) => sum + countInput(input), 0)
    const refusal = await usage.take({ characters })
    if (refusal !== undefined) throw refusal
    reply.headers(usage.headers)
  }
}
