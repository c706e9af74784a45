// Those whom an abuser must not harm: another owner, an administrator, and a monitor.
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
  readonly ms: number
}

/** What bystanders saw. */
export interface Seen {
  /** Milliseconds of each answer, by what was asked. */
  readonly times: Record<string, number[]>
  /** Answers that were not those they should have been, each with what was asked. */
  readonly faults: string[]
  /** 503 `overloaded` that one later attempt, after its `Retry-After`, was answered. */
  trueWaits: number
  /** Milliseconds from asking for a revocation until the key was refused. */
  readonly revocations: number[]
}

export class Bystanders {
  readonly #address: string
  readonly #admin: string
  readonly #other: string
  readonly #agent = new Agent({ keepAlive: true })

  constructor(address: string, admin: string, other: string) {
    this.#address = address
    this.#admin = admin
    this.#other = other
  }

  /** All of them ask for so many milliseconds. */
  async watch(ms: number): Promise<Seen> {
    const seen: Seen = { times: {}, faults: [], trueWaits: 0, revocations: [] }
    const endsAt = performance.now() + ms
    const every = async (gapMs: number, once: () => Promise<unknown>): Promise<void> => {
      while (performance.now() < endsAt) {
        await delay(gapMs)
        await once().catch((error: unknown) => seen.faults.push(String(error)))
      }
    }
    await Promise.all([
      every(20, () => this.#expect(seen, 'a prediction', this.#predict('/predict'), 200)),
      every(1_000, () => this.#predictSlowly(seen)),
      every(50, () => this.#expect(seen, '/health', this.#ask('GET', '/health'), 200)),
      every(1_000, () => this.#expect(seen, '/ready', this.#ask('GET', '/ready'), 200)),
      every(3_000, () => this.#revoke(seen)),
    ])
    return seen
  }

  close(): void {
    this.#agent.destroy()
  }

  #predict(path: string, key = this.#other): Promise<Answer> {
    return this.#ask('POST', path, { 'x-api-key': key }, { text: 'I love this' })
  }

  async #expect(seen: Seen, what: string, asked: Promise<Answer>, status: number): Promise<Answer> {
    const answer = await asked
    seen.times[what] ??= []
    seen.times[what].push(answer.ms)
    if (answer.status !== status) seen.faults.push(`${what}: ${answer.status} ${answer.body.slice(0, 200)}`)
    return answer
  }

  /** The slow model is shared: a wait may be asked for, and then must be enough. */
  async #predictSlowly(seen: Seen): Promise<void> {
    const asked = await this.#predict('/models/steady/predict')
    if (asked.status === 503 && asked.body.includes('"overloaded"')) {
      await delay(1_000 * Number(asked.headers['retry-after']))
      await this.#expect(seen, 'a slow one, after its wait', this.#predict('/models/steady/predict'), 200)
      seen.trueWaits += 1
    } else await this.#expect(seen, 'a slow one', Promise.resolve(asked), 200)
  }

  async #revoke(seen: Seen): Promise<void> {
    const admin = { 'x-api-key': this.#admin }
    const made = this.#ask('POST', '/v1/keys', admin, { name: 'to revoke', owner: 'abuser' })
    const { id, key } = JSON.parse((await this.#expect(seen, 'a new key', made, 201)).body) as Made
    const before = await this.#predict('/predict', key)
    if (before.status !== 200) seen.faults.push(`a key before its revocation: ${before.status}`)
    const begunAt = performance.now()
    await this.#expect(seen, 'a revocation', this.#ask('POST', `/v1/keys/${id}/revoke`, admin, {}), 200)
    const after = await this.#predict('/predict', key)
    if (after.status !== 403) seen.faults.push(`a key after its revocation: ${after.status}`)
    seen.revocations.push(performance.now() - begunAt)
  }

  #ask(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
    body?: object,
  ): Promise<Answer> {
    const begunAt = performance.now()
    const sent = body === undefined ? undefined : JSON.stringify(body)
    return new Promise((resolve, reject) => {
      const options = {
        method,
        agent: this.#agent,
        // Another address than the abusers': theirs may be refused.
        localAddress: '127.0.0.2',
        headers: { ...headers, ...(sent !== undefined && { 'content-type': 'application/json' }) },
      }
      const asked = request(`${this.#address}${path}`, options, (response) => {
        text(response).then((answer) => {
          const { statusCode: status = 0, headers } = response
          resolve({ status, headers, body: answer, ms: performance.now() - begunAt })
        }, reject)
      })
      asked.on('error', (error) => reject(new Error(`${method} ${path}: ${error.message}`)))
      asked.end(sent)
    })
  }
}

interface Made {
  readonly id: string
  readonly key: string
}
