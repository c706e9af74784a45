import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Maybe } from '../../core/after.ts'
import type { Fault } from '../../core/fault.ts'
import { GatheredBytes } from '../../core/gathered-bytes.ts'
import { problemOf } from '../../core/problem.ts'
import type { WrittenJson } from '../../core/written-json.ts'
import type { Caller } from '../../guard/caller.ts'
import type { Demand } from '../../guard/demand.ts'
import { noteProblem } from '../../guard/exchange/attached-exchange.ts'
import type { Exchange } from '../../guard/exchange/exchange.ts'
import { faultAnswer } from '../../guard/exchange/fault-answer.ts'
import { hasLeftSending } from '../../guard/node/left-sending.ts'
import { lingerOverBody } from '../../guard/node/lingering-close.ts'
import { NodeHead } from '../../guard/node/node-head.ts'
import type { Verdict } from '../../guard/verdict.ts'
import { endWithAnswer, holdDuring } from '../../limits/usage/end-usage.ts'
import type { Ward } from '../../ward/ward.ts'
import type { ServerOptions } from '../server-options.ts'
import type { RequestTracing } from '../traces/trace-requests.ts'
import { answerHeaders } from './answers.ts'
import type { ByteBudget } from './byte-budget.ts'
import { type BytesHolder, holdAnswer, holdBody } from './bytes-in-flight.ts'
import { classifyError } from './classify-error.ts'
import { clientGone } from './client-end.ts'
import { type LogPlace, logProblem, traceIdsOf } from './handle-errors.ts'
import { checkFraming } from './http-server.ts'
import { jsonMediaType, largeBody, readJsonBody } from './json-body.ts'
import type { Log } from './log.ts'
import type { RequestLog } from './request-log.ts'

/** Answers a request that it fully understands; false: the request is untouched, and the app's. */
export type DirectListener = (request: IncomingMessage, response: ServerResponse) => boolean

/** A `POST` of JSON that need not go through the framework: the same as its route does. */
export interface DirectEndpoint {
  /** As the framework names it. */
  readonly route: string
  readonly demand: Demand
  /** Bytes of the largest body. */
  readonly bodyMax: number
  /** The body of the answer to an admitted request; what it throws is answered. */
  readonly answer: (body: unknown, admitted: DirectRequest) => Maybe<WrittenJson>
}

/** A request that a guard has admitted. */
export interface DirectRequest {
  readonly id: string
  readonly exchange: Exchange
  readonly response: ServerResponse
}

/**
 * Takes the hottest requests past the framework (docs/performance.md says what that is worth), in
 * their plainest form. Undefined where the app must see every request: pages of other origins need
 * its headers.
 *
 * @param endpoints by their paths
 */
export function createDirectListener(
  deps: DirectDeps,
  endpoints: ReadonlyMap<string, DirectEndpoint>,
  corsOrigins: ServerOptions['corsOrigins'],
): DirectListener | undefined {
  if (corsOrigins.length > 0) return undefined
  return function takeDirect(request, response) {
    const endpoint = request.method === 'POST' ? endpoints.get(request.url ?? '') : undefined
    if (endpoint === undefined || deps.closing.aborted || !isPlain(request, endpoint.bodyMax)) return false
    const answering = openAnswering(deps, endpoint, request, response)
    answering?.begin()
    return answering !== undefined
  }
}

/** Undefined where that breaks: the request is then the app's, which answers what breaks in it. */
function openAnswering(...args: ConstructorParameters<typeof DirectAnswer>): DirectAnswer | undefined {
  try {
    return new DirectAnswer(...args)
  } catch {
    return undefined
  }
}

/** Headers that change how a request is read or answered: with one of them, it is the app's. */
const beyond = [
  'expect',
  'forwarded',
  'idempotency-key',
  'origin',
  'prefer',
  'transfer-encoding',
  'upgrade',
  'x-forwarded-for',
] as const

/**
 * Whether it is JSON of a known length, no large body, and without a header that asks for more.
 */
function isPlain(request: IncomingMessage, bodyMax: number): boolean {
  const { headers } = request
  if (headers['content-type'] !== 'application/json' || request.httpVersion !== '1.1') return false
  const length = Number(headers['content-length'] ?? 0)
  if (!(length > 0 && length <= bodyMax && length < largeBody)) return false
  for (const name of beyond) if (headers[name] !== undefined) return false
  return checkFraming(request) === undefined
}

interface DirectDeps {
  readonly ward: Pick<Ward, 'guard'>
  readonly log: Log
  readonly budget: ByteBudget
  /** Undefined: requests are not logged. */
  readonly requestLog: RequestLog | undefined
  readonly closing: AbortSignal
  /** Undefined: requests are not traced. */
  readonly requestTracing: RequestTracing | undefined
}

const success = Object.entries({ ...answerHeaders, 'content-type': jsonMediaType }).flat()

/**
 * One request, answered without the framework: a function for the head, one for the body, one for
 * sending. The steps are those of a route, and so are the answers.
 */
class DirectAnswer implements DirectRequest {
  readonly id: string = randomUUID()
  readonly exchange: Exchange
  readonly response: ServerResponse
  readonly #deps: DirectDeps
  readonly #endpoint: DirectEndpoint
  readonly #request: IncomingMessage
  #isAnswered = false

  constructor(
    deps: DirectDeps,
    endpoint: DirectEndpoint,
    request: IncomingMessage,
    response: ServerResponse,
  ) {
    this.#deps = deps
    this.#endpoint = endpoint
    this.#request = request
    this.response = response
    const head = new NodeHead(request, { ip: request.socket.remoteAddress })
    this.exchange = deps.ward.guard.open(request, head, 'POST', this.id)
    deps.requestTracing?.setRoute(request, endpoint.route)
    if (deps.requestLog !== undefined) this.#logWhenGone(deps.requestLog, head.address)
  }

  /** Admits or refuses, before any byte of the body is read. */
  begin(): void {
    try {
      const verdict = this.#deps.ward.guard.admit(this.exchange, this.#endpoint.demand)
      if (verdict instanceof Promise) verdict.then(this.#heed).catch(this.#fail)
      else this.#heed(verdict)
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  readonly #heed = (verdict: Verdict<Caller | null>): void => {
    if (!verdict.admitted) this.#fail(verdict.refusal)
    else {
      endWithAnswer(this.response, verdict.usage, this.#logFault)
      // Of a client that has gone the request has emitted `error` already, and never ends.
      if (this.response.closed) this.#fail(clientGone())
      else this.#read()
    }
  }

  #logWhenGone(tell: RequestLog, address: string | undefined): void {
    const begunAt = performance.now()
    this.response.once('close', () =>
      tell({
        id: this.id,
        trace: traceIdsOf(this.#request),
        method: 'POST',
        route: this.#endpoint.route,
        status: this.response.statusCode,
        ms: performance.now() - begunAt,
        caller: this.exchange.known,
        address,
      }),
    )
  }

  get #holder(): BytesHolder {
    const owner = this.exchange.known?.owner ?? this.#request.socket.remoteAddress ?? ''
    return { request: this.#request, response: this.response, owner }
  }

  #read(): void {
    holdBody(this.#deps.budget, Number(this.#request.headers['content-length']), this.#holder)
    const gathered = new GatheredBytes()
    const gather = (piece: Buffer): void => gathered.add(piece)
    const work = (): void => this.#work(gathered.take())
    this.#request.on('data', gather).on('end', work).on('error', this.#fail)
  }

  #work(body: Buffer): void {
    const { bodyMax, answer } = this.#endpoint
    try {
      const answering = answer(readJsonBody(this.#request, body, bodyMax), this)
      if (answering instanceof Promise) {
        holdDuring(this.exchange.usage, answering, this.#logFault)
        answering.then(this.#succeed).catch(this.#fail)
      } else this.#succeed(answering)
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  readonly #succeed = (body: WrittenJson): void => {
    holdAnswer(this.#deps.budget, body, this.#holder)
    const lines = [...success]
    const { headers } = this.exchange.usage
    for (const name in headers) lines.push(name, headers[name] as string)
    this.#answer(200, lines, body)
  }

  readonly #fail = (error: unknown): void => {
    const thrown = classifyError(error)
    logProblem(this.#deps.log, this.#place, thrown)
    noteProblem(this.#request, thrown)
    const { status, headers, body } = problemOf(thrown, this.id)
    const close = lingerOverBody(this.#request) ? { connection: 'close' } : undefined
    const all = { ...answerHeaders, ...this.exchange.usage.headers, ...headers, ...close }
    this.#answer(status, Object.entries(all).flat(), JSON.stringify(body))
  }

  /** Sends an answer once its record is durable, or the fault in its place. */
  #answer(status: number, lines: string[], body: WrittenJson): void {
    // A request may fail twice: its client goes, and then what works for it.
    if (this.#isAnswered) return
    this.#isAnswered = true
    const answer = { status, route: this.#endpoint.route, requestId: this.id }
    if (hasLeftSending(this.#request)) {
      this.exchange.abort({ ...answer, status: null })
      return
    }
    lines.push('x-request-id', this.id, 'content-length', `${Buffer.byteLength(body)}`)
    const waiting = this.exchange.answer(answer)
    const send = (): void => this.#write(status, lines, body)
    if (waiting === undefined) send()
    else waiting.then(send, this.#failUnrecorded)
  }

  readonly #logFault = (fault: Fault): void => logProblem(this.#deps.log, this.#place, fault)

  readonly #failUnrecorded = (thrown: unknown): void => {
    const fault = classifyError(thrown) as Fault
    this.#logFault(fault)
    const { status, headers, text } = faultAnswer(fault, this.id, answerHeaders)
    this.#write(status, Object.entries(headers).flat(), text)
  }

  #write(status: number, lines: (string | number)[], body: WrittenJson): void {
    if (this.response.closed) return
    try {
      this.response.writeHead(status, lines).end(body)
    } catch (thrown) {
      // The stack is empty: uncaught, it would end the process.
      this.#deps.log.error({ ...this.#place, err: thrown }, 'an answer could not be written')
      this.response.destroy()
    }
  }

  get #place(): LogPlace {
    const { route } = this.#endpoint
    return { request_id: this.id, ...traceIdsOf(this.#request), method: 'POST', route }
  }
}
