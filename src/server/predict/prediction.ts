import type { ServerResponse } from 'node:http'
import { Refusal } from '../../core/refusal.ts'
import type { JobService } from '../../jobs/job-service.ts'
import type { Usage } from '../../limits/usage.ts'
import type { ServedModel } from '../../models/model.ts'
import { isSentiment } from '../../models/sentiment/sentiment-model.ts'
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

/** Calls a model for a client that may go away; answers at once where the model does. */
export function askModel(
  model: ServedModel,
  inputs: readonly unknown[],
  raw: ServerResponse,
): Outputs | Promise<Outputs> {
  // The response has emitted `close` already: the model would never see the abort.
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

/** The refusal of a request whose client has gone: recorded, never sent. */
export function clientGone(): Refusal {
  return new Refusal('request_malformed', 'The client went away.', { reason: 'client gone' })
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
    const characters = inputs.reduce<number>((sum, input) => sum + countInput(input), 0)
    const refusal = await usage.take({ characters })
    if (refusal !== undefined) throw refusal
  }
}

/** One prediction as it is answered; without a promise where the model answers at once. */
export function predictOne(
  model: ServedModel,
  input: unknown,
  raw: ServerResponse,
): string | Promise<string> {
  const outputs = askModel(model, [input], raw)
  return outputs instanceof Promise
    ? outputs.then(([output]) => writePrediction(model, input, output))
    : writePrediction(model, input, outputs[0])
}

/** What of a model stands in its answers. */
export type AnsweringModel = Pick<ServedModel, 'input' | 'name' | 'version'>

/**
 * A prediction as it is answered, and as it stands in a job's result: the text, the output and the
 * model's name and version. An output that is an object is spread between them, and may have a
 * `text` of its own; any other stands under `output`. An input that is no text is not repeated.
 */
export function predictionOf(
  { input: kind, name, version }: AnsweringModel,
  input: unknown,
  output: unknown,
): Readonly<Record<string, unknown>> {
  const said = typeof output === 'object' && output !== null && !Array.isArray(output) ? output : { output }
  return { ...(kind === 'text' && { text: input }), ...said, model: name, model_version: version }
}

/**
 * The same as JSON. A sentiment without other fields is written out here: `JSON.stringify` takes
 * four times as long.
 */
export function writePrediction(model: AnsweringModel, input: unknown, output: unknown): string {
  if (
    model.input !== 'text' ||
    !isSentiment(output) ||
    Object.keys(output).length !== 3 ||
    Object.keys(output.scores).length !== 3
  )
    return JSON.stringify(predictionOf(model, input, output))
  const { sentiment, confidence, scores } = output
  const { positive, negative, neutral } = scores
  return `{"text":${JSON.stringify(input)},"sentiment":"${sentiment}","confidence":${confidence},"scores":{"positive":${positive},"negative":${negative},"neutral":${neutral}},"model":${JSON.stringify(model.name)},"model_version":${JSON.stringify(model.version)}}`
}
