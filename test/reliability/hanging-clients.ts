// Clients of a slow model that hang up, miss its deadline and cancel their jobs, at random.
import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'

/** How the model is asked. */
export interface AskedModel {
  readonly field: 'input' | 'text'
  /** What keeps it busy for about so many milliseconds. */
  readonly inputFor: (ms: number) => number | string
  /** Whether a prediction is the one for the input. */
  readonly isOwn: (prediction: unknown, input: number | string) => boolean
}

/** A request's deadline; that of a job is minutes. */
export const deadlineMs = 600

export interface Job {
  readonly id: string
  readonly status: string
  readonly started_at: string | null
  readonly result: unknown
}

export interface SeenJob {
  readonly inputs: readonly (number | string)[]
  /** What the answer to its `DELETE` said; `asked` where there was none. */
  cancelled: Job['status'] | 'asked' | undefined
}

/** What clients saw. */
export interface Seen {
  /** Ids of the requests whose answer arrived, whole. */
  readonly requestIds: Set<string>
  /** Their number, by status. */
  readonly statuses: Record<string, number>
  /** What clients called the requests that they hung up on. */
  readonly hungUp: Set<string>
  /** Jobs whose 202 arrived. */
  readonly jobs: Map<string, SeenJob>
  /** Jobs that were running as their `DELETE` ended them. */
  readonly cutOff: Set<string>
}

export function createSeen(): Seen {
  return { requestIds: new Set(), statuses: {}, hungUp: new Set(), jobs: new Map(), cutOff: new Set() }
}

export class HangingClients {
  readonly #address: string
  readonly #key: string
  readonly #model: AskedModel
  readonly #seen: Seen
  /** Two in five hang up, one in five each misses its deadline or cancels its job. */
  readonly #kinds = [
    () => this.#hangUp(),
    () => this.#hangUp(),
    () => this.#predict(2 * deadlineMs),
    () => this.#cancel(),
    () => (randomInt(2) === 0 ? this.#predict(1) : this.#keep()),
  ]

  constructor(address: string, key: string, model: AskedModel, seen: Seen) {
    this.#address = address
    this.#key = key
    this.#model = model
    this.#seen = seen
  }

  /** One request of a random kind, to its end. */
  async askAny(): Promise<void> {
    await this.#kinds[randomInt(this.#kinds.length)]?.()
  }

  /** A job of one input each, `ms` long; a batch of many. Undefined if it is refused. */
  async submit(ms: number, count = 1): Promise<string | undefined> {
    const inputs = Array.from({ length: count }, () => this.#model.inputFor(ms))
    const { field } = this.#model
    const [path, body] =
      count === 1 ? ['/predict', { [field]: inputs[0] }] : ['/predict/batch', { [`${field}s`]: inputs }]
    const { status, json } = await this.#ask('POST', path, { body, prefer: 'respond-async' })
    if (status !== 202) return undefined
    const { id } = json as Job
    this.#seen.jobs.set(id, { inputs, cancelled: undefined })
    return id
  }

  /** The job as it is, or as it is when it ends within so many seconds. */
  async look(id: string, waitS: number): Promise<Job> {
    const { status, json } = await this.#ask('GET', `/jobs/${id}?wait=${waitS}`)
    if (status !== 200) throw new Error(`the job ${id} is answered with ${status}`)
    return json as Job
  }

  async #predict(ms: number): Promise<void> {
    await this.#ask('POST', '/predict', { body: { [this.#model.field]: this.#model.inputFor(ms) } })
  }

  async #hangUp(): Promise<void> {
    const id = randomUUID()
    const hangsUp = new AbortController()
    const timer = setTimeout(() => hangsUp.abort(), randomInt(200))
    try {
      const body = { [this.#model.field]: this.#model.inputFor(randomInt(100, 400)) }
      await this.#ask('POST', '/predict', { body, id, signal: hangsUp.signal })
    } catch (error) {
      if (!hangsUp.signal.aborted) throw error
      this.#seen.hungUp.add(id)
    } finally {
      clearTimeout(timer)
    }
  }

  async #cancel(): Promise<void> {
    const id = await this.submit(800)
    const job = id === undefined ? undefined : this.#seen.jobs.get(id)
    if (id === undefined || job === undefined) return
    await delay(randomInt(200))
    job.cancelled = 'asked'
    const { status, json } = await this.#ask('DELETE', `/jobs/${id}`)
    if (status !== 200) return
    const ended = json as Job
    job.cancelled = ended.status
    if (ended.status === 'cancelled' && ended.started_at !== null) this.#seen.cutOff.add(id)
  }

  async #keep(): Promise<void> {
    const id = await this.submit(200)
    if (id !== undefined) await this.look(id, 20)
  }

  async #ask(method: string, path: string, options: AskOptions = {}): Promise<Answer> {
    const { body, prefer, id, signal } = options
    const answer = await fetch(`${this.#address}${path}`, {
      method,
      headers: {
        'x-api-key': this.#key,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(prefer !== undefined && { prefer }),
        ...(id !== undefined && { 'x-request-id': id }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
    })
    const json = await answer.json()
    const requestId = answer.headers.get('x-request-id')
    if (requestId === null) throw new Error(`an answer with the status ${answer.status} has no id`)
    const { requestIds, statuses } = this.#seen
    requestIds.add(requestId)
    statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
    return { status: answer.status, json }
  }
}

interface AskOptions {
  readonly body?: object
  readonly prefer?: string
  readonly id?: string
  readonly signal?: AbortSignal
}

interface Answer {
  readonly status: number
  readonly json: unknown
}
