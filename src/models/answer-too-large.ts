import { Fault } from '../core/fault.ts'

/** The fault of a model whose answer to one call is longer than may be sent. */
export function answerTooLarge(name: string, bytesMax: number): Fault {
  return new Fault('model_failed', `model ${name}: its answer is larger than ${bytesMax} bytes`, {
    detail: `The answer of the model is larger than ${bytesMax} bytes.`,
  })
}
