import { withinDeadline } from '../../core/deadline.ts'
import { Fault } from '../../core/fault.ts'
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
  readonly owner: string | undefined
  readonly inputs: readonly unknown[]
  readonly writes: BatchCall['writes']
  readonly enteredAt: number
  readonly cost: CallCost
  readonly isFirst: boolean
  /** Whether its deadline runs only while the model is at it. */
  readonly mayWait: boolean
  readonly answer: Promise<Uint8Array>
  #isOver = false
  #isGone = false
  readonly #settled = Promise.withResolvers<Uint8Array>()
  readonly #onLeave: WaitingCallOptions['onLeave']
  readonly #name: string
  readonly #scheduler: Scheduler
  readonly #deadlineMs: number
  #dueAt: number
  #cancelRun = (): void => {}

  constructor(name: string, options: WaitingCallOptions) {
    const { scheduler, signal, enteredAt, onClientGone, onLeave, onQueued } = options
    this.#name = name
    this.#scheduler = scheduler
    this.#deadlineMs = options.deadlineMs
    this.mayWait = onQueued !== undefined
    const deadlineMs = this.mayWait ? Number.POSITIVE_INFINITY : options.deadlineMs
    this.owner = options.owner
    this.inputs = options.inputs
    this.writes = options.writes
    this.enteredAt = enteredAt
    this.#dueAt = enteredAt + deadlineMs
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

  /** By the queue's clock, in milliseconds; infinite while a call that may wait does. */
  get dueAt(): number {
    return this.#dueAt
  }

  /** The model begins with it. */
  begin(now: number): void {
    if (!this.mayWait) return
    this.#dueAt = now + this.#deadlineMs
    this.#cancelRun = this.#scheduler.after(this.#deadlineMs, () => this.#timeOut())
  }

  /** It waits for the model to begin with it once more. */
  waitAgain(): void {
    if (!this.mayWait) return
    this.#cancelRun()
    this.#dueAt = Number.POSITIVE_INFINITY
  }

  resolve(json: Uint8Array): void {
    this.#cancelRun()
    if (this.#isGone) this.giveUp()
    this.#isOver = true
    this.#settled.resolve(json)
  }

  reject(reason: unknown): void {
    this.#cancelRun()
    if (this.#isGone) this.giveUp()
    this.#isOver = true
    this.#settled.reject(reason)
  }

  /** No work on it goes on, and there is no client left to answer. */
  giveUp(): void {
    this.#isOver = true
    this.#settled.reject(new Error('the client went away'))
  }

  #timeOut(): void {
    const fault = new Fault('model_timeout', `model ${this.#name} took longer than ${this.#deadlineMs} ms`)
    this.#settled.reject(fault)
    this.#leave()
  }

  #leave(): void {
    if (this.#isOver) return
    this.#cancelRun()
    this.#isOver = true
    this.#onLeave(this)
  }
}
