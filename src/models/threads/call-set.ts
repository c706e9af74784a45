import type { WaitingCall } from './waiting-call.ts'

/** Calls in the order in which they came, with their inputs and their time summed up. */
export class CallSet {
  readonly #calls = new Set<WaitingCall>()
  #inputCount = 0
  #ms = 0
  #size = 0

  get inputCount(): number {
    return this.#inputCount
  }

  /** How long they are expected to keep a lane, one after the other, in milliseconds. */
  get ms(): number {
    return this.#ms
  }

  /** See `input-size.ts`. */
  get size(): number {
    return this.#size
  }

  /** The one that came first. */
  get first(): WaitingCall | undefined {
    return this.#calls.values().next().value
  }

  add(call: WaitingCall): void {
    this.#calls.add(call)
    this.#inputCount += call.inputs.length
    this.#ms += call.cost.shareMs
    this.#size += call.cost.size
  }

  /** Whether it was there. */
  delete(call: WaitingCall): boolean {
    if (!this.#calls.delete(call)) return false
    this.#inputCount -= call.inputs.length
    this.#size -= call.cost.size
    // Sums of fractions drift.
    this.#ms = this.#calls.size === 0 ? 0 : this.#ms - call.cost.shareMs
    return true
  }

  /** Those whose deadline runs, then those that may wait. */
  *urgentFirst(): Generator<WaitingCall, void> {
    for (const mayWait of [false, true])
      for (const call of this.#calls) if (call.mayWait === mayWait) yield call
  }

  takeAll(): readonly WaitingCall[] {
    const taken = [...this.#calls]
    for (const call of taken) this.delete(call)
    return taken
  }

  /** May be deleted from meanwhile. */
  [Symbol.iterator](): Iterator<WaitingCall> {
    return this.#calls.values()
  }
}
