import type { Maybe } from '../core/after.ts'
import { slicesOf } from '../core/slices.ts'
import { concatJson, type WrittenJson } from '../core/written-json.ts'
import { answerTooLarge } from './answer-too-large.ts'
import type { PredictOptions } from './model.ts'

export interface CallBounds {
  /** The model's name, for messages. */
  readonly name: string
  /** Most inputs of one slice. */
  readonly batchMax: number
  /** For calls that name no deadline, in milliseconds. */
  readonly deadlineMs: number
  /** Longest answer to all slices of a call together, in bytes. */
  readonly answerBytesMax: number
}

/** The options of one slice. */
export interface SliceOptions extends PredictOptions {
  /** What is left of the call's deadline, in milliseconds. */
  readonly deadlineMs: number
  /** How many slices are to be answered by then, this one included. @default 1 */
  readonly slicesLeft?: number
}

/** How the answers to slices become the answer to a call. */
export interface SlicedAnswer<Answer> {
  readonly join: (slices: readonly Answer[]) => Answer
  /** What counts against the bound of the whole call. */
  readonly bytesOf: (slice: Answer) => number
}

/** Outputs as values, which stay in this process: each slice of them has a bound of its own. */
export const slicedOutputs: SlicedAnswer<readonly unknown[]> = {
  join: (slices) => slices.flat(),
  bytesOf: () => 0,
}

/** Written JSON, with commas between the slices as within them. */
export const slicedJson: SlicedAnswer<WrittenJson> = {
  join: (slices) => concatJson(slices.flatMap((slice, at) => (at === 0 ? [slice] : [',', slice]))),
  bytesOf: (slice) => Buffer.byteLength(slice) + 1,
}

/**
 * Makes a `predict` that passes on at most `batchMax` inputs at a time, one slice after the other
 * within one deadline; it answers at once where each slice does.
 *
 * @param predictSlice answers one slice, which is never empty
 */
export function predictInSlices<Answer>(
  bounds: CallBounds,
  predictSlice: (slice: readonly unknown[], options: SliceOptions) => Maybe<Answer>,
  sliced: SlicedAnswer<Answer>,
): (inputs: readonly unknown[], options?: PredictOptions) => Maybe<Answer> {
  const { batchMax, deadlineMs } = bounds
  return function predict(inputs, callOptions = {}) {
    const options = { ...callOptions, deadlineMs: callOptions.deadlineMs ?? deadlineMs }
    if (inputs.length === 0) return sliced.join([])
    if (inputs.length <= batchMax) return predictSlice(inputs, options)
    const { owner, signal } = callOptions
    const client = new SlicesClient(callOptions.onClientGone)
    const dueAt = performance.now() + options.deadlineMs
    const gathered = new GatheredSlices(bounds, sliced)
    let slicesLeft = Math.ceil(inputs.length / batchMax) + 1
    return predictEach(slicesOf(inputs, batchMax), gathered, (slice) => {
      client.expectThere()
      slicesLeft -= 1
      const leftMs = Math.max(0, dueAt - performance.now())
      const { onClientGone } = client
      const sliceOptions = { owner, onClientGone, deadlineMs: leftMs, slicesLeft }
      return predictSlice(slice, signal === undefined ? sliceOptions : { ...sliceOptions, signal })
    })
  }
}

function predictEach<Answer>(
  slices: Iterator<readonly unknown[], void>,
  gathered: GatheredSlices<Answer>,
  predictSlice: (slice: readonly unknown[]) => Maybe<Answer>,
): Maybe<Answer> {
  for (let next = slices.next(); next.value !== undefined; next = slices.next()) {
    const answer = predictSlice(next.value)
    if (answer instanceof Promise) return finishLater(answer)
    gathered.add(answer)
  }
  return gathered.whole()

  async function finishLater(first: Promise<Answer>): Promise<Answer> {
    gathered.add(await first)
    for (let next = slices.next(); next.value !== undefined; next = slices.next())
      gathered.add(await predictSlice(next.value))
    return gathered.whole()
  }
}

/** The answers to the slices of one call so far, and how large they are together. */
class GatheredSlices<Answer> {
  readonly #bounds: CallBounds
  readonly #sliced: SlicedAnswer<Answer>
  readonly #slices: Answer[] = []
  // No comma before the first.
  #bytes = -1

  constructor(bounds: CallBounds, sliced: SlicedAnswer<Answer>) {
    this.#bounds = bounds
    this.#sliced = sliced
  }

  /** @throws Fault `model_failed` where they are too large with this one */
  add(slice: Answer): void {
    const { name, answerBytesMax } = this.#bounds
    this.#bytes += this.#sliced.bytesOf(slice)
    if (this.#bytes > answerBytesMax) throw answerTooLarge(name, answerBytesMax)
    this.#slices.push(slice)
  }

  whole(): Answer {
    return this.#sliced.join(this.#slices)
  }
}

/**
 * Tells the slice at hand that the client has gone: if each slice listened to the client, each
 * would leave a listener. Its work goes on until it ends, as that of a single slice does.
 */
class SlicesClient {
  #isGone = false
  #tellSlice = (): void => {}

  constructor(onClientGone: PredictOptions['onClientGone']) {
    onClientGone?.(() => {
      this.#isGone = true
      this.#tellSlice()
    })
  }

  readonly onClientGone = (listener: () => void): void => {
    this.#tellSlice = listener
  }

  /** @throws Error once it has gone */
  expectThere(): void {
    if (this.#isGone) throw new Error('the client went away')
  }
}
