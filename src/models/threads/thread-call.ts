import type { ModelCall } from '../model.ts'
import { batchFlag } from './thread-messages.ts'

/**
 * A batch's call, within its thread. The flag is shared memory, because a thread that computes without a pause receives no message;
 * each read of `signal` looks at it, and a model that awaits is told by its listeners.
 */
export class ThreadCall implements ModelCall {
  #controller: AbortController | undefined
  readonly #flag: Int32Array

  constructor(flag: Int32Array) {
    this.#flag = flag
  }

  get signal(): AbortSignal {
    this.#controller ??= this.#watch()
    this.#look(this.#controller)
    return this.#controller.signal
  }

  /** To be called when the batch has ended, so that the watch ends too. */
  end(): void {
    if (this.#controller === undefined) return
    Atomics.compareExchange(this.#flag, 0, batchFlag.running, batchFlag.ended)
    Atomics.notify(this.#flag, 0)
  }

  #watch(): AbortController {
    const controller = new AbortController()
    const { async: isAsync, value } = Atomics.waitAsync(this.#flag, 0, batchFlag.running)
    if (isAsync) void value.then(() => this.#look(controller))
    return controller
  }

  #look(controller: AbortController): void {
    if (controller.signal.aborted || Atomics.load(this.#flag, 0) !== batchFlag.aborted) return
    controller.abort(new DOMException('the batch has been given up', 'AbortError'))
  }
}
