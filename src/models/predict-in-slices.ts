import { slicesOf } from '../core/slices.ts'
import type { PredictOptions, ServedModel } from './model-runtime.ts'

type Outputs = readonly unknown[]

/** What one slice is asked with: what is left of the deadline. */
export type SliceOptions = PredictOptions & { readonly deadlineMs: number }

/**
 * Makes a `predict` that asks for no more than `batchMax` inputs at a time, one slice after the
 * other within one deadline; it answers at once where each slice does.
 *
 * @param ask answers one slice, which is never empty
 */
export function predictInSlices(
  { batchMax, deadlineMs }: Pick<ServedModel, 'batchMax' | 'deadlineMs'>,
  ask: (slice: readonly unknown[], options: SliceOptions) => Outputs | Promise<Outputs>,
): ServedModel['predict'] {
  return (inputs, given = {}) => {
    const options = { ...given, deadlineMs: given.deadlineMs ?? deadlineMs }
    if (inputs.length === 0) return []
    if (inputs.length <= batchMax) return ask(inputs, options)
    const { signal, stop } = joinSignals(given)
    const dueAt = performance.now() + options.deadlineMs
    const answer = askEach(slicesOf(inputs, batchMax), (slice) =>
      ask(slice, { ...(signal && { signal }), deadlineMs: Math.max(0, dueAt - performance.now()) }),
    )
    if (answer instanceof Promise) return answer.finally(stop)
    stop()
    return answer
  }
}

function askEach(
  slices: Iterator<readonly unknown[], void>,
  ask: (slice: readonly unknown[]) => Outputs | Promise<Outputs>,
): Outputs | Promise<Outputs> {
  const outputs: unknown[] = []
  for (let next = slices.next(); next.value !== undefined; next = slices.next()) {
    const answer = ask(next.value)
    if (answer instanceof Promise) return finishLater(answer)
    outputs.push(...answer)
  }
  return outputs

  async function finishLater(first: Promise<Outputs>): Promise<Outputs> {
    outputs.push(...(await first))
    for (let next = slices.next(); next.value !== undefined; next = slices.next())
      outputs.push(...(await ask(next.value)))
    return outputs
  }
}

/**
 * One signal for all slices: each slice that listened to the client by itself would leave a
 * listener behind.
 */
function joinSignals({ signal, onClientGone }: PredictOptions): {
  readonly signal: AbortSignal | undefined
  readonly stop: () => void
} {
  if (onClientGone === undefined) return { signal, stop: () => {} }
  const controller = new AbortController()
  onClientGone(() => controller.abort(new Error('the client went away')))
  const abort = () => controller.abort(signal?.reason)
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort, { once: true })
  return { signal: controller.signal, stop: () => signal?.removeEventListener('abort', abort) }
}
