import type { Clock } from '../../core/time.ts'

/**
 * How long a job works at least before it gives way to another owner's, in milliseconds. Each turn
 * costs two commits and a reading of the inputs: shorter, and these would take much of the time;
 * longer, and a small job would wait that much longer.
 */
const turnMs = 1_000

/** The time that a running job has in its model before it gives way. */
export class RunTurn {
  readonly #monotonic: Clock
  readonly #begunAt: number
  readonly #leaving = new AbortController()
  #isAsked = false
  #isWaiting = false

  constructor(monotonic: Clock) {
    this.#monotonic = monotonic
    this.#begunAt = monotonic()
  }

  /** When it began, by the same clock. */
  get begunAt(): number {
    return this.#begunAt
  }

  /** Aborts when the job is to leave the place where it waits for its model. */
  get leaving(): AbortSignal {
    return this.#leaving.signal
  }

  get isAsked(): boolean {
    return this.#isAsked
  }

  /** Whether the job waits for others of this process to leave room in the model. */
  get isWaiting(): boolean {
    return this.#isWaiting
  }

  /** @param atOnce whether it leaves where it waits, though it may have done nothing yet */
  giveWay(atOnce: boolean): void {
    this.#isAsked = true
    if (atOnce && this.#isWaiting) this.#leaving.abort()
  }

  beginWaiting(): void {
    this.#isWaiting = true
  }

  endWaiting(): void {
    this.#isWaiting = false
  }

  /** Waits for the model, which may end with the turn. */
  async wait(act: (leaving: AbortSignal) => Promise<void>): Promise<void> {
    if (this.isOver()) this.#leaving.abort()
    this.beginWaiting()
    try {
      await act(this.leaving)
    } finally {
      this.endWaiting()
    }
  }

  /** Whether the job leaves after what it has just done. */
  isOver(): boolean {
    return this.#isAsked && this.#monotonic() - this.#begunAt >= turnMs
  }
}
