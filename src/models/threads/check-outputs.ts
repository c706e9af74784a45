import { Fault } from '../../core/fault.ts'
import { isJsonValue } from '../json-value.ts'

/**
 * Gives the outputs of a model where there is one per input, each a JSON value.
 *
 * @throws Fault `model_failed`
 */
export function checkOutputs(name: string, inputCount: number, outputs: unknown): readonly unknown[] {
  if (!Array.isArray(outputs)) throw wrong(name, `expected an array of outputs, got ${typeof outputs}`)
  if (outputs.length !== inputCount)
    throw wrong(name, `expected one output per input, got ${outputs.length} for ${inputCount}`)
  const at = outputs.findIndex((output) => !isJsonValue(output))
  if (at !== -1) throw wrong(name, `expected outputs that are JSON values, got another at ${at}`)
  return outputs
}

function wrong(name: string, what: string): Fault {
  return new Fault('model_failed', `model ${name}: ${what}`)
}
