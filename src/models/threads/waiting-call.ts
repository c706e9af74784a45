import { withinDeadline } from '../../core/deadline.ts'
import type { Scheduler } from '../../core/scheduler.ts'
import type { PredictOptions } from '../model.ts'
import type { CallCost } from './admission.ts'
import type { BatchCall } from './batch-lane.ts'

export interface WaitingCallOptions extends PredictOptions, BatchCall {
  readonly deadlineMs: number
  readonly scheduler: Scheduler
  /** By the queue's clock, in milliseconds. */
  readonly enteredAt: number
  readonly cost: CallCost
  /**
   * Whether a lane was free when it came: it is started however long it may take, for this is how
   * the model's time is found out.
   */
  readonly isFirst: boolean
  /**
   * Called once if the caller is answered before the model has: past the deadline, or because the
   * client has gone.
   */
  readonly onLeave: (call: WaitingCall) => void
}

/**
 * One call, from its entry into the queue to its answer. Answered exactly once; later outcomes are
 * ignored.
 */
export class WaitingCall implements BatchCall {
  readonly inputs: readonly unknown[]
  readonly writes: BatchCall['writes']
  readonly enteredAt: number
  readonly dueAt: number
  readonly cost: CallCost
  readonly isFirst: boolean
  readonly answer: Promise<Uint8Array>
  #isOver = false
  #isGone = false
  readonly #settled = Promise.withResolvers<Uint8Array>()
  readonly #onLeave: WaitingCallOptions['onLeave']

  constructor(name: string, options: WaitingCallOptions) {
    const { scheduler, deadlineMs, signal, enteredAt, onClientGone, onLeave } = options
    this.inputs = options.inputs
    this.writes = options.writes
    this.enteredAt = enteredAt
    this.dueAt = enteredAt + deadlineMs
    this.cost = options.cost
    this.isFirst = options.isFirst
    this.#onLeave = onLeave
    const onGiveUp = (): void => this.#leave()
    this.answer = withinDeadline(this.#settled.promise, {
      ...{ name: `model ${name}`, deadlineMs, scheduler, signal, onGiveUp },
    })
    // Answered when its work has ended: until then its client's place is taken.
    onClientGone?.(() => {
      this.#isGone = true
      this.#leave()
    })
  }

  get isOver(): boolean {
    return this.#isOver
  }

  resolve(json: Uint8Array): void {
    if (this.#isGone) this.giveUp()
    this.#isOver = true
    this.#settled.resolve(json)
  }

  reject(reason: unknown): void {
    if (this.#isGone) this.giveUp()
    this.#isOver = true
    this.#settled.reject(reason)
  }

  /** No work on it goes on, and there is no client left to answer. */
  giveUp(): void {
    this.#isOver = true
    this.#settled.reject(new Error('the client went away'))
  }

  #leave(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onLeave(this)
  }
}
