import type { StoredBytesFull } from '../../idempotency/stored-bytes.ts'
import type { JobAnswers } from '../job.ts'

/** Answers to a slice of a job's inputs. */
export type SliceAnswers = Omit<JobAnswers, 'from'>

/**
 * Answers of an attempt until the store has them. What was sent and not acknowledged is sent again
 * as it was, for it may be stored: the store tells by where it begins.
 */
export class HeldAnswers {
  readonly #sent: JobAnswers[] = []
  readonly #open: string[] = []
  /** Set where the store has no room for them: then no more are worth having. */
  full: StoredBytesFull | undefined
  #openFrom: number
  #openErrors = 0
  #next: number

  /** @param from the first input that has no stored answer */
  constructor(from: number) {
    this.#openFrom = from
    this.#next = from
  }

  /** How many inputs of the job have an answer or a problem, stored or held. */
  get done(): number {
    return this.#next
  }

  add({ text, inputs, errors }: SliceAnswers): void {
    this.#open.push(text)
    this.#openErrors += errors
    this.#next += inputs
  }

  /** All that is held, to be sent. */
  send(): readonly JobAnswers[] {
    if (this.#open.length > 0) {
      const inputs = this.#next - this.#openFrom
      const text = this.#open.splice(0).join()
      this.#sent.push({ from: this.#openFrom, inputs, errors: this.#openErrors, text })
      this.#openFrom = this.#next
      this.#openErrors = 0
    }
    return [...this.#sent]
  }

  /** These are stored. */
  stored(answers: readonly JobAnswers[]): void {
    for (const answer of answers) if (this.#sent[0] === answer) this.#sent.shift()
  }
}
