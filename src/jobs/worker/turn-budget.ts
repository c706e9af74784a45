import type { Scheduler } from '../../core/scheduler.ts'

/**
 * Characters of inputs of jobs that models are asked for in one turn of the event loop, though
 * always one slice: a model that answers at once takes two or three milliseconds for as many. Of
 * 128 inputs of 10,000 characters each, a turn took a hundred.
 */
export const turnCharactersMax = 16_384

/** What models may be asked for in this turn of the event loop; the rest waits for the next. */
export class TurnBudget {
  readonly #scheduler: Pick<Scheduler, 'yieldTurn'>
  #left = turnCharactersMax
  #isUsed = false

  constructor(scheduler: Pick<Scheduler, 'yieldTurn'>) {
    this.#scheduler = scheduler
  }

  /** Resolves in a turn that has room for inputs, at once where this one has. */
  async enter(inputs: readonly unknown[]): Promise<void> {
    while (this.#left <= 0) await this.#scheduler.yieldTurn()
    this.#left -= charactersOf(inputs)
    if (this.#isUsed) return
    this.#isUsed = true
    void this.#scheduler.yieldTurn().then(() => {
      this.#left = turnCharactersMax
      this.#isUsed = false
    })
  }
}

/** How large an input is that is no text is known only where it is read. */
function charactersOf(inputs: readonly unknown[]): number {
  let characters = 0
  for (const input of inputs) characters += typeof input === 'string' ? input.length : 1
  return characters
}
