import type { AbandonedExchanges } from './abandoned-exchanges.ts'

export interface OpenReservationsOptions {
  readonly abandoned: AbandonedExchanges
  /** Keeps the place among requests at once, until as many calls of `release`. */
  readonly hold: () => void
  readonly release: () => void
  /** Called where the record says what was reserved, because nothing was settled. */
  readonly noteReserved: () => void
}

/**
 * What the handler of a request has reserved and not settled yet. The record of an answer is
 * written when it ends, and says what is settled by then; that of a client who has gone waits for
 * the handler, which may still learn what was delivered.
 */
export class OpenReservations {
  readonly #options: OpenReservationsOptions
  #open = 0
  #isOver = false
  /** Writes the record of a client who has gone. */
  #record: (() => void) | undefined
  #stopWaiting: (() => void) | undefined

  constructor(options: OpenReservationsOptions) {
    this.#options = options
  }

  /** Whether the handler has still to settle. */
  get isOpen(): boolean {
    return !this.#isOver && this.#open > 0
  }

  /** Whether nothing that is settled from now on changes the record. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether the client had gone before all was settled. */
  get isAbandoned(): boolean {
    return this.#record !== undefined
  }

  /** One more begins: to be called before anything is taken, so that the record waits for it. */
  begin(): void {
    this.#open += 1
    this.#options.hold()
  }

  /** One was settled, or came to nothing. */
  done(): void {
    if (this.#isOver) return
    this.#open -= 1
    this.#options.release()
    if (this.#open > 0) return
    this.#stopWaiting?.()
    this.#record?.()
  }

  /** What is settled by now is what the record says; all else stays reserved. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#stopWaiting?.()
    if (this.#open > 0) this.#options.noteReserved()
    for (; this.#open > 0; this.#open -= 1) this.#options.release()
  }

  /**
   * The client has gone: has `record` called when all is settled, or the time for it is over.
   *
   * @returns false where there is nothing to wait for
   */
  waitForSettling(record: () => void): boolean {
    if (this.#isOver || this.#open === 0) return false
    this.#record ??= record
    this.#stopWaiting ??= this.#options.abandoned.add(() => {
      this.end()
      record()
    })
    return true
  }
}
