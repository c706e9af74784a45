// What one ordinary key can do to a server, all of it at once and without an end, and what a
// stranger can do beside it. Nothing here waits but for the server.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

export interface Target {
  readonly address: string
  /** Of the default settings: 60 requests a minute. */
  readonly key: string
  /** Was revoked. */
  readonly revoked: string
  /** What is tried of all. @default all */
  readonly kinds: readonly string[]
}

/** By kind, how often each status was answered; `lost` counts connections without an answer. */
export type Counts = Record<string, Record<string, number>>

type Body = string | Buffer<ArrayBuffer>

const MiB = 2 ** 20
const batchBytes = 8 * MiB - 1_024

/** Twenty times its size once it is parsed. Bytes: to encode a text takes the abusers' own time. */
const objects = Buffer.from(`{"texts":[${'{},'.repeat(batchBytes / 3 - 10)}{}]}`)
const nested = Buffer.alloc(MiB, '[')
const large = Buffer.from(JSON.stringify({ texts: Array.from({ length: 900 }, () => 'good '.repeat(1_800)) }))
const many = Buffer.from(
  JSON.stringify({ texts: Array.from({ length: 10_000 }, (_, index) => `good ${index}`) }),
)
const tooLarge = Buffer.alloc(64 * MiB, 'x')
const pipelined = Buffer.alloc(MiB, 'POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}')
const blanks = ' '.repeat(15_500)

export class Abusers {
  readonly counts: Counts = {}
  readonly #target: Target
  readonly #signal: AbortSignal
  /** Of the key's own jobs. */
  readonly #jobs: string[] = []

  constructor(target: Target, signal: AbortSignal) {
    this.#target = target
    this.#signal = signal
  }

  /** Goes on until the signal. */
  async run(): Promise<void> {
    const kinds: Readonly<Record<string, readonly [workers: number, once: () => Promise<string>]>> = {
      objects: [4, () => this.#post('/predict/batch', objects)],
      nested: [2, () => this.#post('/predict/batch', nested)],
      large: [4, () => this.#submit('/predict/batch', large)],
      many: [2, () => this.#submit('/models/steady/predict/batch', many)],
      single: [2, () => this.#submit('/models/steady/predict', '{"text":"good"}')],
      slow: [6, () => this.#post('/models/steady/predict', '{"text":"good"}')],
      hangUps: [6, () => this.#hangUp()],
      refused: [6, () => this.#post('/predict', '{"text":"good"}')],
      revoked: [2, () => this.#post('/predict', '{"text":"good"}', { 'x-api-key': this.#target.revoked })],
      wrong: [2, () => this.#post('/predict', '{"text":"good"}', { 'x-api-key': 'mw_live_wrong' })],
      forbidden: [2, () => this.#get('/v1/keys')],
      lists: [2, () => this.#get('/jobs?limit=100')],
      waits: [10, () => this.#get(`/jobs/${this.#anyJob()}?wait=5`)],
      cancels: [1, () => this.#cancel()],
      prefer: [1, () => this.#post('/predict', '{"text":"good"}', { prefer: `a${blanks}b` })],
      sameKey: [2, () => this.#repeat()],
      tooLarge: [2, () => this.#post('/predict', tooLarge)],
      unread: [20, () => this.#leaveUnread()],
      follow: [20, () => this.#follow()],
      pipelines: [20, () => this.#pipeline()],
      garbage: [2, () => this.#garbage()],
      trickles: [50, () => this.#trickle()],
    }
    await Promise.all(
      Object.entries(kinds).flatMap(([kind, [workers, askOnce]]) =>
        this.#target.kinds.length > 0 && !this.#target.kinds.includes(kind)
          ? []
          : Array.from({ length: workers }, () => this.#goOn(kind, askOnce)),
      ),
    )
  }

  async #goOn(kind: string, askOnce: () => Promise<string>): Promise<void> {
    while (!this.#signal.aborted) {
      // A refused connection, or one that the server has closed, is an answer, too.
      const outcome = await askOnce().catch(() => 'lost')
      this.counts[kind] ??= {}
      const counts = this.counts[kind]
      counts[outcome] = (counts[outcome] ?? 0) + 1
    }
  }

  async #post(path: string, body: Body, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const { status } = await this.#ask(path, { method: 'POST', body, headers })
    return `${status}`
  }

  async #get(path: string): Promise<string> {
    return `${(await this.#ask(path)).status}`
  }

  async #ask(
    path: string,
    options: { method?: string; body?: Body; headers?: Readonly<Record<string, string>> } = {},
    signal: AbortSignal = this.#signal,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const { headers, ...rest } = options
    const answer = await fetch(`${this.#target.address}${path}`, {
      ...rest,
      headers: { 'x-api-key': this.#target.key, 'content-type': 'application/json', ...headers },
      signal,
    })
    return { status: answer.status, text: await answer.text() }
  }

  async #submit(path: string, body: Body): Promise<string> {
    const headers = { prefer: 'respond-async' }
    const { status, text } = await this.#ask(path, { method: 'POST', body, headers })
    if (status === 202) this.#jobs.push((JSON.parse(text) as { readonly id: string }).id)
    return `${status}`
  }

  #anyJob(): string {
    return this.#jobs[Math.floor(Math.random() * this.#jobs.length)] ?? 'job_none'
  }

  async #hangUp(): Promise<string> {
    const soon = AbortSignal.any([this.#signal, AbortSignal.timeout(1 + Math.floor(Math.random() * 200))])
    const body = '{"text":"good"}'
    return this.#ask('/models/steady/predict', { method: 'POST', body }, soon).then(
      ({ status }) => `${status}`,
      () => 'hung up',
    )
  }

  async #cancel(): Promise<string> {
    await this.#submit('/models/steady/predict/batch', many)
    return `${(await this.#ask(`/jobs/${this.#anyJob()}`, { method: 'DELETE' })).status}`
  }

  #repeat(): Promise<string> {
    return this.#post('/predict', JSON.stringify({ text: randomUUID() }), { 'idempotency-key': 'the-same' })
  }

  /** Asks for the largest results there are, and reads nothing for half a minute. */
  async #leaveUnread(): Promise<string> {
    const socket = await this.#connect()
    socket.pause()
    socket.write(this.#head('GET', `/jobs/${this.#anyJob()}`) + '\r\n')
    return this.#hold(socket, 30_000)
  }

  async #follow(): Promise<string> {
    const socket = await this.#connect()
    socket.resume()
    socket.write(this.#head('GET', `/jobs/${this.#anyJob()}/events`) + '\r\n')
    return this.#hold(socket, 10_000)
  }

  /** A megabyte of requests of a stranger's, no answer of which is read. */
  async #pipeline(): Promise<string> {
    const socket = await this.#connect()
    socket.pause()
    socket.write(pipelined)
    return this.#hold(socket, 5_000)
  }

  async #garbage(): Promise<string> {
    const socket = await this.#connect()
    socket.resume()
    const body = '{"text":"good"}'
    socket.write(
      `${this.#head('POST', '/predict')}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}\0\0 garbage\r\n\r\n`,
    )
    return this.#hold(socket, 2_000)
  }

  /** A body that comes a byte a second. */
  async #trickle(): Promise<string> {
    const socket = await this.#connect()
    socket.resume()
    socket.write(
      `${this.#head('POST', '/predict/batch')}content-type: application/json\r\ncontent-length: 8000000\r\n\r\n`,
    )
    const drip = setInterval(() => socket.write(' '), 1_000)
    return this.#hold(socket, 60_000).finally(() => clearInterval(drip))
  }

  #head(method: string, path: string): string {
    return `${method} ${path} HTTP/1.1\r\nhost: a\r\nx-api-key: ${this.#target.key}\r\n`
  }

  async #connect(): Promise<Socket> {
    const { hostname, port } = new URL(this.#target.address)
    const socket = connect({ host: hostname, port: Number(port) })
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    return socket
  }

  /** Until the server closes it, or so long. */
  async #hold(socket: Socket, ms: number): Promise<string> {
    const over = new AbortController()
    const closed = once(socket, 'close').then(() => 'closed')
    const held = delay(ms, 'held', { signal: AbortSignal.any([this.#signal, over.signal]) }).catch(
      () => 'held',
    )
    const outcome = await Promise.race([closed, held])
    over.abort()
    socket.destroy()
    return outcome
  }
}
