interface Waiting {
  readonly inputs: number
  readonly enter: () => void
}

/**
 * Lets so many inputs of jobs into a model at once, and the others wait in their order: jobs of ten
 * thousand inputs must neither fill the queue of a model that requests are waiting for, nor take
 * this thread's turn, slice after slice, from everything else.
 */
export class Semaphore {
  readonly #inputsMax: number
  readonly #waiting = new Set<Waiting>()
  #inside = 0

  constructor(inputsMax: number) {
    this.#inputsMax = inputsMax
  }

  /**
   * Acts once there is room, which there always is for one slice alone; rejects with the signal's
   * reason where that comes first.
   */
  async run<T>(inputs: number, signal: AbortSignal, act: () => Promise<T>): Promise<T> {
    if (this.#waiting.size > 0 || !this.#hasRoomFor(inputs)) await this.#wait(inputs, signal)
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

  async #wait(inputs: number, signal: AbortSignal): Promise<void> {
    const entered = Promise.withResolvers<void>()
    const waiting = { inputs, enter: entered.resolve }
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
    for (const waiting of this.#waiting) {
      if (!this.#hasRoomFor(waiting.inputs)) return
      this.#waiting.delete(waiting)
      this.#inside += waiting.inputs
      waiting.enter()
    }
  }
}
