const firstMs = 100
const mostMs = 30_000

/** Most where a batch was under way: its inputs may have ended the host, and others wait. */
const mostAfterBatchMs = 1_000

/**
 * How long a lane waits before it replaces its host, in milliseconds. The pauses double, so that a
 * model that cannot run costs little; the first end after an answer costs none.
 */
export class ReplacementPauses {
  #batches = 0
  #failures = 0

  /** The host has ended while it worked on a batch. */
  afterBatch(): number {
    this.#batches += 1
    return Math.min(pauseAfter(this.#batches - 1), mostAfterBatchMs)
  }

  /** The host has ended without a batch. */
  afterEnd(): number {
    this.#failures += 1
    return pauseAfter(this.#failures - 1)
  }

  /** The next host could not load the model. */
  afterLoad(): number {
    this.#failures += 1
    return pauseAfter(this.#failures)
  }

  /** The host has answered. */
  reset(): void {
    this.#batches = 0
    this.#failures = 0
  }
}

function pauseAfter(count: number): number {
  return count === 0 ? 0 : Math.min(firstMs * 2 ** (count - 1), mostMs)
}
