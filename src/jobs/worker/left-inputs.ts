import type { JobModel } from './ask-model.ts'
import type { InputReader } from './input-reader.ts'

/** What is left to do of a job's inputs: halves of slices that were not answered, then the rest. */
export class LeftInputs {
  readonly #reader: InputReader
  readonly #batchMax: number
  readonly #charactersMax: number | undefined
  /** The first of them last. */
  readonly #halves: (readonly unknown[])[] = []
  #sliceMax: number

  /** @param reader stands before the first input that is left */
  constructor(reader: InputReader, { batchMax, sliceCharactersMax }: JobModel) {
    this.#reader = reader
    this.#batchMax = batchMax
    this.#charactersMax = sliceCharactersMax
    this.#sliceMax = batchMax
  }

  /** The next slice; undefined where nothing is left. */
  take(): readonly unknown[] | undefined {
    const half = this.#halves.pop()
    if (half === undefined) {
      const slice = this.#reader.take(this.#sliceMax, this.#charactersMax)
      return slice.length > 0 ? slice : undefined
    }
    if (half.length <= this.#sliceMax) return half
    this.#halves.push(half.slice(this.#sliceMax))
    return half.slice(0, this.#sliceMax)
  }

  /** Puts a slice back whose halves are to be asked for. */
  halve(slice: readonly unknown[]): void {
    const middle = Math.ceil(slice.length / 2)
    this.#halves.push(slice.slice(middle), slice.slice(0, middle))
  }

  /** The same where the model took too long for it: it is asked for no more at once again. */
  shorten(slice: readonly unknown[]): void {
    this.halve(slice)
    this.#sliceMax = Math.ceil(slice.length / 2)
  }

  /** One input alone took too long, and not the slices that it was in. */
  lengthen(): void {
    this.#sliceMax = this.#batchMax
  }
}
