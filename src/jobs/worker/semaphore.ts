import { Turns } from '../../core/turns.ts'

interface Waiting {
  readonly owner: string
  readonly inputs: number
  readonly enter: () => void
}

/**
 * Lets so many inputs of jobs into a model at once, and the others wait by turns of their owners:
 * jobs of ten thousand inputs must neither fill the queue of a model that requests are waiting for,
 * nor take this thread's turn, slice after slice, from everything else.
 */
export class Semaphore {
  readonly #inputsMax: number
  readonly #waiting = new Turns<Waiting>()
  #inside = 0

  constructor(inputsMax: number) {
    this.#inputsMax = inputsMax
  }

  /**
   * Acts once there is room, which there always is for one slice alone; rejects with the signal's
   * reason where that comes first.
   */
  async run<T>(owner: string, inputs: number, signal: AbortSignal, act: () => Promise<T>): Promise<T> {
    if (!this.#waiting.isEmpty || !this.#hasRoomFor(inputs)) await this.#wait(owner, inputs, signal)
    else this.#inside += inputs
    try {
      return await act()
    } finally {
      this.#inside -= inputs
      this.#letIn()
    }
  }

  #hasRoomFor(inputs: number): boolean {
    return this.#inside === 0 || this.#inside + inputs <= this.#inputsMax
  }

  async #wait(owner: string, inputs: number, signal: AbortSignal): Promise<void> {
    const entered = Promise.withResolvers<void>()
    const waiting = { owner, inputs, enter: entered.resolve }
    const onAbort = (): void => {
      // A call that has just entered checks the signal by itself.
      if (!this.#waiting.delete(waiting)) return
      entered.reject(signal.reason)
      this.#letIn()
    }
    this.#waiting.add(waiting)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await entered.promise
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  #letIn(): void {
    for (;;) {
      const { first } = this.#waiting
      if (first === undefined || !this.#hasRoomFor(first.inputs)) return
      this.#waiting.take(first)
      this.#inside += first.inputs
      first.enter()
    }
  }
}
