/** Work in steps, and what follows it. */
interface SteppedWork {
  readonly steps: Iterator<void, unknown>
  readonly done: (thrown: Error | null, value?: unknown) => void
}

/**
 * Takes one step of one work in a turn of the event loop. Works take turns: of large bodies that
 * arrive together, a short one is read before a long one that came first.
 */
export class StepTurns {
  readonly #waiting: SteppedWork[] = []

  add(steps: SteppedWork['steps'], done: SteppedWork['done']): void {
    if (this.#waiting.push({ steps, done }) === 1) setImmediate(() => this.#run())
  }

  #run(): void {
    const work = this.#waiting[0] as SteppedWork
    try {
      const isOver = takeStep(work)
      if (!isOver) this.#waiting.push(work)
    } finally {
      this.#waiting.shift()
      if (this.#waiting.length > 0) setImmediate(() => this.#run())
    }
  }
}

/** @returns whether it was the last */
function takeStep({ steps, done }: SteppedWork): boolean {
  let step: IteratorResult<void, unknown>
  try {
    step = steps.next()
  } catch (thrown) {
    done(thrown as Error)
    return true
  }
  if (step.done === true) done(null, step.value)
  return step.done === true
}
