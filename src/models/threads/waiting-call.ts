import { Fault } from '../../core/fault.ts'
import type { PredictOptions } from '../model-runtime.ts'
import type { Scheduler } from './scheduler.ts'

export interface WaitingCallOptions extends PredictOptions {
  readonly deadlineMs: number
  readonly scheduler: Scheduler
  /** Called once if the caller is answered before the model has: past the deadline, or because the client has gone. */
  readonly onLeave: (call: WaitingCall) => void
}

/** One call, from its entry into the queue to its answer. Answered exactly once; whatever comes later is ignored. */
export class WaitingCall {
  readonly inputs: readonly unknown[]
  readonly enteredAt: number
  readonly dueAt: number
  readonly answer: Promise<readonly unknown[]>
  #isOver = false
  readonly #settled = Promise.withResolvers<readonly unknown[]>()
  readonly #options: WaitingCallOptions
  readonly #endings: (() => void)[] = []

  constructor(name: string, inputs: readonly unknown[], options: WaitingCallOptions) {
    const { scheduler, deadlineMs, signal, onClientGone } = options
    this.inputs = inputs
    this.#options = options
    this.answer = this.#settled.promise
    this.enteredAt = scheduler.now()
    this.dueAt = this.enteredAt + deadlineMs
    this.#endings.push(
      scheduler.after(deadlineMs, () =>
        this.#leave(new Fault('model_timeout', `model ${name} did not answer within ${deadlineMs} ms`)),
      ),
    )
    onClientGone?.(() => this.#leave(new Error('the client went away')))
    if (signal !== undefined && !this.#isOver) this.#heed(signal)
  }

  get isOver(): boolean {
    return this.#isOver
  }

  resolve(outputs: readonly unknown[]): void {
    if (this.#end()) this.#settled.resolve(outputs)
  }

  reject(reason: unknown): void {
    if (this.#end()) this.#settled.reject(reason)
  }

  #leave(reason: unknown): void {
    if (!this.#end()) return
    this.#settled.reject(reason)
    this.#options.onLeave(this)
  }

  #heed(signal: AbortSignal): void {
    const leave = () => this.#leave(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    this.#endings.push(() => signal.removeEventListener('abort', leave))
  }

  #end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    for (const end of this.#endings) end()
    return true
  }
}
