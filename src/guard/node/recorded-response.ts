import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { Fault } from '../../core/fault.ts'
import { asError } from '../../core/problem.ts'
import type { Answer, Exchange } from '../exchange/exchange.ts'
import { faultAnswer } from '../exchange/fault-answer.ts'
import { hasLeftSending } from './left-sending.ts'

export interface RecordResponseOptions {
  readonly exchange: Exchange
  /** What is known of the answer beside its status. */
  readonly describe: () => Omit<Answer, 'status'>
  /** Told of a fault that takes the answer's place. */
  readonly onFault: (fault: Fault) => void
}

/**
 * Holds what is written to a response until its record is durable: one record before a whole
 * answer, and two around an answer that is written in pieces. The writer notices nothing but
 * back-pressure. Where the record cannot be written, the fault is answered instead; an answer that
 * has begun is broken off.
 */
export function recordResponse(response: ServerResponse, options: RecordResponseOptions): void {
  const recorded = new RecordedResponse(response, options)
  const own: Partial<ServerResponse> = {
    writeHead: recorded.writeHead as ServerResponse['writeHead'],
    flushHeaders: recorded.flushHeaders,
    write: recorded.write as ServerResponse['write'],
    end: recorded.end as ServerResponse['end'],
  }
  Object.assign(response, own)
  Object.defineProperty(response, 'headersSent', { get: () => recorded.headersSent, configurable: true })
  if (response.closed) recorded.abort()
  else response.once('close', recorded.abort)
}

export interface RecordNamedOptions extends Pick<RecordResponseOptions, 'exchange' | 'onFault'> {
  /** The route's pattern, once the answer begins. */
  readonly routeOf: () => string | null
}

/**
 * As `recordResponse`, for an answer that carries its exchange's id, or another that the app gives.
 */
export function recordNamed(
  response: ServerResponse,
  { exchange, routeOf, onFault }: RecordNamedOptions,
): void {
  response.setHeader('x-request-id', exchange.id)
  recordResponse(response, { exchange, describe, onFault })

  function describe(): Omit<Answer, 'status'> {
    const requestId = response.getHeader('x-request-id')
    return { route: routeOf(), requestId: typeof requestId === 'string' ? requestId : exchange.id }
  }
}

interface Step {
  readonly waiting: Promise<void> | undefined
  readonly run: () => void
}

type Callback = (error?: Error | null) => void

class RecordedResponse {
  readonly #response: ServerResponse
  readonly #options: RecordResponseOptions
  readonly #original: Pick<ServerResponse, 'writeHead' | 'flushHeaders' | 'write' | 'end'>
  readonly #steps: Step[] = []
  #isDraining = false
  #isInPieces = false
  #isEnded = false
  /** Whether Node's `end` runs: over HTTP/2 it writes its piece by `this.write`. */
  #isEnding = false
  /** Whether the first byte may leave. */
  #isReleased = false
  #hasRefusedMore = false
  #bytesLeft = Number.POSITIVE_INFINITY
  /** As they were when the answer began: later changes have no effect, as with any response. */
  #headers: OutgoingHttpHeaders | undefined
  #status = 200

  constructor(response: ServerResponse, options: RecordResponseOptions) {
    this.#response = response
    this.#options = options
    const { writeHead, flushHeaders, write, end } = response
    this.#original = { writeHead, flushHeaders, write, end }
  }

  get hasBegun(): boolean {
    return this.#headers !== undefined
  }

  /**
   * For the writer, whether its answer has begun; once the first byte may leave, whether the head
   * has left. Bun's own methods ask that, and so does middleware that wrapped them before the
   * guard: the head is still theirs to write.
   */
  get headersSent(): boolean {
    const response = this.#response
    return this.#isReleased
      ? Reflect.get(Object.getPrototypeOf(response), 'headersSent', response)
      : this.hasBegun
  }

  readonly writeHead = (...args: Parameters<ServerResponse['writeHead']>): ServerResponse => {
    if (this.#isReleased) return this.#original.writeHead.apply(this.#response, args)
    if (this.hasBegun) throw headersSent()
    const [status, ...rest] = args as readonly unknown[] as [number, ...unknown[]]
    this.#response.statusCode = checkStatus(status)
    if (typeof rest[0] === 'string') this.#response.statusMessage = rest.shift() as string
    setHeaders(this.#response, rest[0] as OutgoingHttpHeaders | OutgoingHttpHeader[] | undefined)
    this.#begin()
    return this.#response
  }

  readonly flushHeaders = (): void => {
    this.#start()
    this.#step(undefined, () => this.#original.flushHeaders.call(this.#response))
  }

  readonly write = (chunk: unknown, ...rest: readonly unknown[]): boolean => {
    if (this.#isEnding) return this.#apply('write', [chunk, ...rest])
    if (this.#isEnded) return this.#writeAfterEnd(rest)
    this.#start()
    this.#bytesLeft -= byteLength(chunk, rest[0])
    const waiting = this.#bytesLeft > 0 ? undefined : this.#options.exchange.finish()
    let isTaken = true
    const isDone = this.#step(waiting, () => {
      isTaken = this.#apply('write', [chunk, ...rest])
    })
    if (isDone) return isTaken
    this.#hasRefusedMore = true
    return false
  }

  readonly end = (...args: readonly unknown[]): ServerResponse => {
    if (this.#isEnded) return this.#response
    const { exchange } = this.#options
    const isWhole = !this.#isInPieces
    this.#begin()
    this.#isEnded = true
    const waiting = isWhole ? exchange.answer(this.#describe()) : exchange.finish()
    this.#step(waiting, () => this.#applyEnd(args))
    return this.#response
  }

  readonly abort = (): void => {
    const { exchange } = this.#options
    if (!exchange.isOver) exchange.abort(this.#describe())
  }

  /** Settles the status and the headers. */
  #begin(): void {
    if (this.#headers !== undefined) return
    const response = this.#response
    // Before anything is known of an answer: there is no client for it.
    if (response.req !== undefined && hasLeftSending(response.req)) this.abort()
    this.#status = checkStatus(response.statusCode)
    this.#headers = { ...response.getHeaders() }
    const length = Number(this.#headers['content-length'] ?? Number.NaN)
    if (length > 0 && response.req?.method !== 'HEAD') this.#bytesLeft = length
  }

  #start(): void {
    this.#begin()
    if (this.#isInPieces) return
    this.#isInPieces = true
    this.#step(this.#options.exchange.start(this.#describe()), () => {})
  }

  #describe(): Answer {
    return { ...this.#options.describe(), status: this.hasBegun ? this.#status : null }
  }

  /**
   * Runs a step at once where there is no need to wait, else after all earlier ones. True: it has
   * run.
   */
  #step(waiting: Promise<void> | undefined, run: () => void): boolean {
    if (waiting === undefined && !this.#isDraining) {
      this.#release()
      run()
      return true
    }
    this.#steps.push({ waiting, run })
    // Handled in its turn; until then it must not be an unhandled rejection.
    waiting?.catch(() => {})
    if (!this.#isDraining) void this.#drain()
    return false
  }

  async #drain(): Promise<void> {
    this.#isDraining = true
    try {
      for (let step = this.#steps.shift(); step !== undefined; step = this.#steps.shift()) {
        if (step.waiting !== undefined) await step.waiting
        this.#release()
        step.run()
      }
    } catch (thrown) {
      this.#steps.length = 0
      this.#fail(thrown)
      return
    }
    this.#isDraining = false
    if (!this.#hasRefusedMore || this.#isEnded) return
    this.#hasRefusedMore = false
    // The socket emits it by itself where its own buffer was full.
    if (!this.#response.writableNeedDrain) this.#response.emit('drain')
  }

  /** Restores the settled status and headers: the first byte is about to leave. */
  #release(): void {
    if (this.#isReleased) return
    const response = this.#response
    if (this.#headers !== undefined) {
      for (const name of response.getHeaderNames()) if (!(name in this.#headers)) response.removeHeader(name)
      for (const [name, value] of Object.entries(this.#headers))
        if (value !== undefined && value !== response.getHeader(name)) response.setHeader(name, value)
      response.statusCode = this.#status
    }
    this.#isReleased = true
  }

  #fail(thrown: unknown): void {
    const response = this.#response
    const { onFault, exchange } = this.#options
    if (thrown instanceof Fault) onFault(thrown)
    if (!(thrown instanceof Fault) || this.#isReleased) {
      // Bun would answer an empty 200 in place of what is destroyed before its head has left.
      response.socket?.destroy()
      response.destroy(asError(thrown))
      return
    }
    this.#isReleased = true
    this.#isEnded = true
    const { status, headers, text } = faultAnswer(thrown, exchange.id, response.getHeaders())
    for (const name of response.getHeaderNames()) response.removeHeader(name)
    response.statusCode = status
    response.statusMessage = ''
    setHeaders(response, headers)
    this.#applyEnd([text])
  }

  #applyEnd(args: readonly unknown[]): void {
    this.#isEnding = true
    try {
      this.#apply('end', args)
    } finally {
      this.#isEnding = false
    }
  }

  #apply(name: 'write' | 'end', args: readonly unknown[]): boolean {
    return Reflect.apply(this.#original[name], this.#response, args) as boolean
  }

  #writeAfterEnd(rest: readonly unknown[]): boolean {
    const callback = rest.find((argument) => typeof argument === 'function') as Callback | undefined
    callback?.(Object.assign(new Error('write after end'), { code: 'ERR_STREAM_WRITE_AFTER_END' }))
    return false
  }
}

/**
 * Now, as Node does where nothing is held: later there would be no handler to throw to.
 *
 * @throws RangeError
 */
function checkStatus(status: number): number {
  const code = Math.trunc(status)
  if (code >= 100 && code <= 999) return code
  const invalid = new RangeError(`Invalid status code: ${status}`)
  throw Object.assign(invalid, { code: 'ERR_HTTP_INVALID_STATUS_CODE' })
}

function headersSent(): Error {
  const sent = new Error('Cannot write headers after they are sent to the client')
  return Object.assign(sent, { code: 'ERR_HTTP_HEADERS_SENT' })
}

function setHeaders(
  response: ServerResponse,
  headers: OutgoingHttpHeaders | readonly OutgoingHttpHeader[] | undefined,
): void {
  if (headers === undefined) return
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers))
      if (value !== undefined) response.setHeader(name, value)
    return
  }
  const flat = headers.flat() as readonly string[]
  const lines = flat.flatMap((name, index) =>
    index % 2 === 0 ? [[name, flat[index + 1] ?? ''] as const] : [],
  )
  for (const [name] of lines) response.removeHeader(name)
  for (const [name, value] of lines) response.appendHeader(name, value)
}

function byteLength(chunk: unknown, encoding: unknown): number {
  if (chunk instanceof Uint8Array) return chunk.byteLength
  return typeof chunk === 'string'
    ? Buffer.byteLength(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
    : 0
}
