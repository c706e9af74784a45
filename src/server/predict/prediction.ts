import type { ServedModel } from '../../models/model.ts'
import type { Sentiment } from '../../models/sentiment/sentiment.ts'
import { isSentiment } from '../../models/sentiment/sentiment.ts'

/** What of a model stands in its answers. */
export type AnsweringModel = Pick<ServedModel, 'input' | 'version'>

/**
 * A prediction as it is answered, and as it stands in a job's result: the text, what the model said
 * of it, and the model. An output that is an object is spread between the two, and may have a
 * `text` of its own; any other stands under `output`. An input that is no text is not repeated.
 */
export function predictionOf(
  { input: kind, version }: AnsweringModel,
  input: unknown,
  output: unknown,
): Readonly<Record<string, unknown>> {
  const said = typeof output === 'object' && output !== null && !Array.isArray(output) ? output : { output }
  return { ...(kind === 'text' && { text: input }), ...said, model: version }
}

/**
 * The same as JSON. A sentiment is written out: of the whole, `JSON.stringify` would make four
 * times the work.
 */
export function writePrediction(model: AnsweringModel, input: unknown, output: unknown): string {
  if (model.input !== 'text' || !isSentiment(output) || !isNothingElse(output))
    return JSON.stringify(predictionOf(model, input, output))
  const { sentiment, confidence, scores } = output
  const { positive, negative, neutral } = scores
  return `{"text":${JSON.stringify(input)},"sentiment":"${sentiment}","confidence":${confidence},"scores":{"positive":${positive},"negative":${negative},"neutral":${neutral}},"model":${JSON.stringify(model.version)}}`
}

/** Whether an output has no more to it than a sentiment has. */
function isNothingElse(output: Sentiment): boolean {
  return Object.keys(output).length === 3 && Object.keys(output.scores).length === 3
}
