import type { ClaimedJob } from '../job-queue.ts'
import type { JobModel, JobModels } from './ask-model.ts'
import { Semaphore } from './semaphore.ts'

/** What to claim: so many jobs of any of these models. */
export interface SlotAsk {
  readonly models: readonly string[]
  readonly max: number
  /** Characters of inputs with which it is enough. */
  readonly inputCharactersMax: number
}

/**
 * Of a model that does not say. A job of a model that answers at once takes microseconds of work
 * and four commits, which many share: with 64, a job costs a fifth more CPU time; with 256 it costs
 * a tenth less, and a turn of the event loop may have as many model calls, which requests wait for.
 */
const inputsAtOnce = 128

/** More jobs at once only hold their inputs in memory. */
const jobsAtOnceMax = 256

/**
 * With so many characters of inputs in memory no more jobs of a model are taken up: hundreds of
 * small jobs run at once, of those that are megabytes a handful. Each model has as many of its own,
 * or a few large jobs of a slow one would hold up everybody's of all the others.
 */
const inputCharactersMax = 32 * 1_048_576

interface Slots {
  readonly semaphore: Semaphore
  readonly max: number
  taken: number
  /** Of the jobs that have them. */
  inputCharacters: number
  /** Whether jobs may be due: unknown until a claim has returned fewer than its maximum. */
  mayBeDue: boolean
}

/**
 * How many jobs of each model this process works on. Each model has slots of its own, so that jobs
 * of a slow one hold up none of another.
 */
export class ModelSlots {
  readonly #models: JobModels
  readonly #jobsMax: number | undefined
  readonly #slots = new Map<string, Slots>()

  /** @param jobsMax most jobs of one model; undefined: as many as fit the model */
  constructor(models: JobModels, jobsMax: number | undefined) {
    this.#models = models
    this.#jobsMax = jobsMax
  }

  /** Jobs of any model may be due. */
  wake(): void {
    for (const [name, model] of this.#models) this.#slotsOf(name, model).mayBeDue = true
  }

  /**
   * What to claim next: the models that have as many free slots as each other, so that no claim
   * brings more jobs of one than it has. They count as asked; `claimed` or `wake` has them asked
   * again.
   */
  next(): SlotAsk | undefined {
    let max = 0
    let charactersLeft = inputCharactersMax
    let picked: [string, Slots][] = []
    for (const [name, model] of this.#models) {
      const slots = this.#slotsOf(name, model)
      const free = freeOf(slots)
      if (!slots.mayBeDue || free < Math.max(1, max)) continue
      if (free > max) {
        picked = []
        charactersLeft = inputCharactersMax
      }
      max = free
      charactersLeft = Math.min(charactersLeft, inputCharactersMax - slots.inputCharacters)
      picked.push([name, slots])
    }
    if (picked.length === 0) return undefined
    for (const [, slots] of picked) slots.mayBeDue = false
    return { models: picked.map(([name]) => name), max, inputCharactersMax: charactersLeft }
  }

  /** Models that take no more jobs before one leaves. */
  full(): readonly string[] {
    return [...this.#models.keys()].filter((name) => {
      const slots = this.#slots.get(name)
      return slots !== undefined && slots.taken > 0 && freeOf(slots) === 0
    })
  }

  /** A claim brought these jobs; if it reached its maximum, there may be more. */
  claimed(ask: SlotAsk, jobs: readonly Pick<ClaimedJob, 'inputs'>[]): void {
    const { models, max } = ask
    const characters = jobs.reduce((sum, { inputs }) => sum + inputs.length, 0)
    if (jobs.length < max && characters < ask.inputCharactersMax) return
    for (const name of models) {
      const slots = this.#slots.get(name)
      if (slots !== undefined) slots.mayBeDue = true
    }
  }

  take({ model, inputs }: Pick<ClaimedJob, 'model' | 'inputs'>): void {
    const slots = this.#slots.get(model)
    if (slots === undefined) return
    slots.taken += 1
    slots.inputCharacters += inputs.length
  }

  free({ model, inputs }: Pick<ClaimedJob, 'model' | 'inputs'>): void {
    const slots = this.#slots.get(model)
    if (slots === undefined) return
    slots.taken -= 1
    slots.inputCharacters -= inputs.length
  }

  /** How inputs of jobs get into a model. */
  semaphoreOf(name: string, model: JobModel): Semaphore {
    return this.#slotsOf(name, model).semaphore
  }

  #slotsOf(name: string, { concurrency = inputsAtOnce }: JobModel): Slots {
    const found = this.#slots.get(name)
    if (found !== undefined) return found
    const max = this.#jobsMax ?? Math.min(concurrency, jobsAtOnceMax)
    const slots = { semaphore: new Semaphore(concurrency), max, taken: 0, inputCharacters: 0, mayBeDue: true }
    this.#slots.set(name, slots)
    return slots
  }
}

function freeOf({ inputCharacters, max, taken }: Slots): number {
  return inputCharacters < inputCharactersMax ? max - taken : 0
}
