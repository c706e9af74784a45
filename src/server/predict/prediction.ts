import type { ServerResponse } from 'node:http'
import type { Maybe } from '../../core/after.ts'
import { processScheduler } from '../../core/scheduler.ts'
import { createTurnCounter } from '../../core/slices.ts'
import type { WrittenJson } from '../../core/written-json.ts'
import { findRequestSpan } from '../../guard/exchange/request-span.ts'
import type { JobService } from '../../jobs/job-service.ts'
import type { Usage } from '../../limits/usage/usage.ts'
import type { ServedModel } from '../../models/model.ts'
import { duringSpan } from '../../telemetry/tracing.ts'
import type { Ward } from '../../ward/ward.ts'
import type { WebhookService } from '../../webhooks/webhook-service.ts'
import { clientGone } from '../http/client-end.ts'
import { countInput } from './predict-input.ts'

/** What the routes that ask a model share. */
export interface PredictDeps {
  readonly ward: Pick<Ward, 'guard'>
  readonly jobs: JobService
  readonly webhooks: Pick<WebhookService, 'checkTarget' | 'checkSecret'>
  /** Aborts when the server begins to close, and ends every wait for a job. */
  readonly closing: AbortSignal
  readonly textMax: number
  readonly batchBodyMax: number
}

/**
 * The predictions for a client that may go away, commas between them; at once where the model
 * answers at once.
 */
export function askModel(
  model: ServedModel,
  inputs: readonly unknown[],
  owner: string | undefined,
  raw: ServerResponse,
): Maybe<WrittenJson> {
  // The response has emitted `close` already: the model would never see the abort.
  if (raw.closed) throw clientGone()
  const predictions = traceModel(model, raw.req, () =>
    model.predictJson(inputs, {
      owner,
      onClientGone: (listener) => {
        raw.once('close', () => raw.writableFinished || listener())
      },
    }),
  )
  if (!(predictions instanceof Promise)) return predictions
  return predictions.catch((thrown: unknown) => {
    // The client has gone, and nothing has failed.
    if (raw.destroyed && !raw.writableFinished) throw clientGone()
    throw thrown
  })
}

/**
 * Asks a model in a span of its own, where the request is traced.
 *
 * @param request Node's own
 */
export function traceModel<T>({ name }: Pick<ServedModel, 'name'>, request: object, ask: () => T): T {
  const span = findRequestSpan(request)
  if (span === undefined) return ask()
  return duringSpan(span.begin('modelward.model', { attributes: { 'modelward.model': name } }), ask)
}

/**
 * Takes the characters, which are known only now that the body has been read. Undefined where no
 * limit counts them.
 *
 * @throws Refusal, by rejecting, where they do not fit
 */
export function takeCharacters(usage: Usage, inputs: readonly unknown[]): Promise<void> | undefined {
  if (!usage.counts('characters')) return undefined
  return take()

  async function take(): Promise<void> {
    let characters = 0
    const isTurnOver = createTurnCounter()
    for (const input of inputs) {
      const count = countInput(input)
      characters += count
      if (isTurnOver(count)) await processScheduler.yieldTurn()
    }
    const refusal = await usage.take({ characters })
    if (refusal !== undefined) throw refusal
  }
}
