import type { WaitingCall } from './waiting-call.ts'

/** Calls in the order in which they came, and how many inputs they have together. */
export class CallSet {
  readonly #calls = new Set<WaitingCall>()
  #inputCount = 0

  get inputCount(): number {
    return this.#inputCount
  }

  /** The one that came first. */
  get first(): WaitingCall | undefined {
    return this.#calls.values().next().value
  }

  add(call: WaitingCall): void {
    this.#calls.add(call)
    this.#inputCount += call.inputs.length
  }

  /** Whether it was there. */
  delete(call: WaitingCall): boolean {
    if (!this.#calls.delete(call)) return false
    this.#inputCount -= call.inputs.length
    return true
  }

  /** The calls that came first, all of which have room together; none where the first has not. */
  takeUpTo(inputsMax: number): readonly WaitingCall[] {
    const taken: WaitingCall[] = []
    let room = inputsMax
    for (const call of this.#calls) {
      room -= call.inputs.length
      if (room < 0) break
      taken.push(call)
      this.delete(call)
    }
    return taken
  }

  toArray(): readonly WaitingCall[] {
    return [...this.#calls]
  }
}
