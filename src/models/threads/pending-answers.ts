import type { HostReply, HostRequest, ModelAnswer, ModelTask } from './host.ts'

export interface PendingAnswersOptions {
  /** @throws what a task that cannot be cloned throws */
  readonly send: (request: HostRequest) => void
  /** Whether an answer is awaited now: while it is, the host keeps this process alive. */
  readonly onAwaited: (isAwaited: boolean) => void
}

/** The tasks of a host that have no answer yet. */
export class PendingAnswers {
  readonly #pending = new Map<number, PromiseWithResolvers<ModelAnswer>>()
  readonly #options: PendingAnswersOptions
  #ids = 0
  #ended: { readonly cause: unknown } | undefined

  constructor(options: PendingAnswersOptions) {
    this.#options = options
  }

  get isAwaited(): boolean {
    return this.#pending.size > 0
  }

  async ask(task: ModelTask): Promise<ModelAnswer> {
    if (this.#ended !== undefined) throw this.#ended.cause
    this.#ids += 1
    const id = this.#ids
    this.#options.send({ id, task })
    if (!this.isAwaited) this.#options.onAwaited(true)
    const answer = Promise.withResolvers<ModelAnswer>()
    this.#pending.set(id, answer)
    return answer.promise
  }

  /** Ignores what is no reply: a model, or a package that it uses, may send messages of its own. */
  settle(message: unknown): void {
    const { id, answer } = (message ?? {}) as Partial<HostReply>
    if (id === undefined || typeof answer !== 'object' || answer === null) return
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    if (!this.isAwaited) this.#options.onAwaited(false)
    pending.resolve(answer)
  }

  /** The host has ended: what is awaited rejects. */
  end(cause: unknown): void {
    this.#ended ??= { cause }
    for (const pending of this.#pending.values()) pending.reject(this.#ended.cause)
    this.#pending.clear()
  }
}
