import { Turns } from '../../core/turns.ts'
import type { WaitingCall } from './waiting-call.ts'

/** What an owner's calls come to. */
interface OwnerSum {
  calls: number
  inputs: number
  ms: number
}

/** Calls that wait by turns of their owners, with their inputs and their time summed up. */
export class CallSet {
  readonly #calls = new Set<WaitingCall>()
  readonly #turns = new Turns<WaitingCall>()
  readonly #owners = new Map<string | undefined, OwnerSum>()
  #inputCount = 0
  #size = 0

  get inputCount(): number {
    return this.#inputCount
  }

  /** See `input-size.ts`. */
  get size(): number {
    return this.#size
  }

  /** The one that came first, whosever turn it is. */
  get oldest(): WaitingCall | undefined {
    return this.#calls.values().next().value
  }

  /** How long what comes before an owner's next call is expected to keep a lane, in ms. */
  msBefore(owner: string | undefined): number {
    const turns = (this.#owners.get(owner)?.calls ?? 0) + 1
    let before = 0
    for (const { calls, ms } of this.#owners.values()) before += calls <= turns ? ms : (ms * turns) / calls
    return before
  }

  /** Whether calls of any other owner wait. */
  hasOthers(owner: string | undefined): boolean {
    return this.#owners.size > (this.#owners.has(owner) ? 1 : 0)
  }

  /**
   * The last calls of the owner with the most inputs, with so many inputs at least; none where that
   * owner would be left with fewer than another is to have.
   */
  lastOfMost(inputs: number, otherHas: number): readonly WaitingCall[] {
    let most: [owner: string | undefined, inputs: number] = [undefined, 0]
    for (const [owner, sum] of this.#owners) if (sum.inputs > most[1]) most = [owner, sum.inputs]
    if (most[1] - inputs < otherHas) return []
    let left = inputs
    const last: WaitingCall[] = []
    for (const call of this.#turns.of(most[0]).toReversed()) {
      if (left <= 0) break
      left -= call.inputs.length
      last.push(call)
    }
    return last
  }

  inputsOf(owner: string | undefined): number {
    return this.#owners.get(owner)?.inputs ?? 0
  }

  add(call: WaitingCall): void {
    const { owner, inputs, cost } = call
    this.#calls.add(call)
    this.#turns.add(call)
    this.#inputCount += inputs.length
    this.#size += cost.size
    const sum = this.#owners.get(owner)
    if (sum === undefined) this.#owners.set(owner, { calls: 1, inputs: inputs.length, ms: cost.shareMs })
    else {
      sum.calls += 1
      sum.inputs += inputs.length
      sum.ms += cost.shareMs
    }
  }

  /** Whether it was there; it leaves without a turn. */
  delete(call: WaitingCall): boolean {
    if (!this.#turns.delete(call)) return false
    this.#subtract(call)
    return true
  }

  /** Has its owner's turn. */
  take(call: WaitingCall): void {
    if (this.#turns.take(call)) this.#subtract(call)
  }

  /** Those whose deadline runs, then those that may wait. */
  *urgentFirst(): Generator<WaitingCall, void> {
    for (const mayWait of [false, true])
      for (const call of this.#turns) if (call.mayWait === mayWait) yield call
  }

  takeAll(): readonly WaitingCall[] {
    const taken = [...this.#calls]
    for (const call of taken) this.delete(call)
    return taken
  }

  /** In the order of their turns. Any may be deleted meanwhile, and none taken. */
  [Symbol.iterator](): Iterator<WaitingCall> {
    return this.#turns[Symbol.iterator]()
  }

  #subtract(call: WaitingCall): void {
    const { owner, inputs, cost } = call
    this.#calls.delete(call)
    this.#inputCount -= inputs.length
    this.#size -= cost.size
    const sum = this.#owners.get(owner)
    if (sum === undefined) return
    sum.calls -= 1
    sum.inputs -= inputs.length
    // Sums of fractions drift; with the last call they are gone.
    sum.ms -= cost.shareMs
    if (sum.calls === 0) this.#owners.delete(owner)
  }
}
