import type { ServedModel } from './model.ts'
import { isSentiment } from './sentiment/sentiment.ts'

/** What of a model stands in its answers. */
export type AnsweringModel = Pick<ServedModel, 'input' | 'name' | 'version'>

/**
 * A prediction as it is answered, and as it stands in a job's result: the text, the output and the
 * model's name and version. An output that is an object is spread between them, and may have a
 * `text` of its own; any other stands under `output`. An input that is no text is not repeated.
 */
function predictionOf(
  { input: kind, name, version }: AnsweringModel,
  input: unknown,
  output: unknown,
): Readonly<Record<string, unknown>> {
  const said = typeof output === 'object' && output !== null && !Array.isArray(output) ? output : { output }
  return { ...(kind === 'text' && { text: input }), ...said, model: name, model_version: version }
}

/**
 * Predictions as JSON, commas between them; there is at least one.
 *
 * @param outputs one for each input, each a JSON value
 */
export function writePredictions(
  model: AnsweringModel,
  inputs: readonly unknown[],
  outputs: readonly unknown[],
): string {
  let json = writePrediction(model, inputs[0], outputs[0])
  for (let at = 1; at < inputs.length; at += 1) json += `,${writePrediction(model, inputs[at], outputs[at])}`
  return json
}

/**
 * One prediction as JSON. A sentiment without other fields is written out here: `JSON.stringify`
 * takes four times as long.
 */
function writePrediction(model: AnsweringModel, input: unknown, output: unknown): string {
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
