import { Fault } from '../../core/fault.ts'
import { fitOf, isJsonValue } from '../json-value.ts'
import { type AnsweringModel, writePredictions } from '../prediction.ts'
import type { BatchCall, CallAnswer } from './batch-lane.ts'

const utf8 = new TextEncoder()

/**
 * Writes the answers to the calls of a batch, in their thread. One that is too large fails its own
 * call and is not written, for which it is measured first.
 *
 * @param outputs one for each input of these calls, in their order
 * @param bytesMax of one call, and of all together: they cross to the main thread at once
 * @throws Fault `model_failed` for what is no JSON value
 */
export function writeAnswers(
  model: AnsweringModel,
  calls: readonly BatchCall[],
  outputs: readonly unknown[],
  bytesMax: number,
): readonly CallAnswer[] {
  let from = 0
  let room = bytesMax
  return calls.map((call) => {
    const own = outputs.slice(from, from + call.inputs.length)
    from += own.length
    const json = writeAnswer(model, call, own, bytesMax)
    if (json === undefined) return 'too large'
    if (json.length > room) return 'no room'
    room -= json.length
    return json
  })
}

/** Undefined where it is longer. */
function writeAnswer(
  model: AnsweringModel,
  { inputs, writes }: BatchCall,
  outputs: readonly unknown[],
  bytesMax: number,
): Uint8Array | undefined {
  const fit = fitOf(outputs, bytesMax)
  if (fit === 'too large') return undefined
  if (fit === 'not JSON') {
    const at = outputs.findIndex((output) => !isJsonValue(output))
    throw new Fault(
      'model_failed',
      `model ${model.name}: expected outputs that are JSON values, got another at ${at}`,
    )
  }
  const text =
    writes === 'predictions'
      ? writePredictions(model, inputs, outputs)
      : outputs.map((output) => JSON.stringify(output)).join()
  const json = utf8.encode(text)
  return json.length > bytesMax ? undefined : json
}
