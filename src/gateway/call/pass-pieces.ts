import type { ServerResponse } from 'node:http'
import { TLSSocket } from 'node:tls'
import { Fault } from '../../core/fault.ts'
import type { Refusal } from '../../core/refusal.ts'
import { createStreamReader } from '../answer/create-stream-reader.ts'
import type { StreamReader } from '../answer/stream-reader.ts'
import { brokenStream } from '../dialects/broken-stream.ts'
import type { AttemptError } from '../upstreams/upstream.ts'
import { passedHeaders } from './answer-headers.ts'
import type { BegunAnswer } from './begin-attempt.ts'
import type { EndReason } from './call-end.ts'
import { faultOf } from './find-answer.ts'
import type { OpenCall } from './open-call.ts'

/** Headers of an answer in pieces: no proxy on the way may gather them. */
const piecesHeaders = { 'x-accel-buffering': 'no', 'cache-control': 'no-store' }

/**
 * Passes an answer on as it comes, behind its first record; holds its terminal event back until the
 * second is durable. A client that does not read stops the reading from the upstream.
 *
 * @param before what was read of it already
 */
export function passPieces(call: OpenCall, answer: BegunAnswer, before: Buffer = none): void {
  call.stopKeeping()
  if (call.isOver) return
  const passing = new PassingAnswer(call, answer)
  const starting = call.start(answer.status)
  const begin = (): void => call.orEnd(() => passing.begin(before))
  if (starting === undefined) begin()
  else starting.then(begin, (fault: unknown) => call.fail(fault, 'ledger'))
}

class PassingAnswer {
  readonly #call: OpenCall
  readonly #answer: BegunAnswer
  /** Undefined: it passes unread. */
  readonly #reader: StreamReader | undefined
  #bytes = 0

  constructor(call: OpenCall, answer: BegunAnswer) {
    this.#call = call
    this.#answer = answer
    this.#reader = readerOf(call, answer)
    call.delivered = () => ({
      said: this.#reader?.usage,
      contentEvents: this.#reader?.contentEvents ?? 0,
      contentBytes: this.#reader?.contentBytes ?? this.#bytes,
    })
  }

  /** The first record is durable. */
  begin(before: Buffer): void {
    const call = this.#call
    const { incoming, prepared } = call
    const { response } = incoming
    if (call.isOver || response.closed) return
    call.breakOff = this.#breakOff
    response.writeHead(this.#answer.status, {
      ...incoming.headers,
      ...prepared.limitHeaders,
      ...passedHeaders(this.#answer),
      ...piecesHeaders,
    })
    response.on('drain', () => this.#answer.attempt.resume())
    if (before.length > 0) this.#pass(before)
    call.read(this.#answer, {
      onPiece: (piece) => this.#pass(piece),
      onEnd: () => this.#finish(),
      onError: (error) => this.#fail(error),
    })
  }

  #pass(piece: Buffer): void {
    const call = this.#call
    if (call.isOver) return
    this.#bytes += piece.length
    const leaving = this.#reader === undefined ? [piece] : this.#reader.push(piece)
    this.#write(leaving)
    if (this.#reader?.terminal !== undefined) this.#finish()
    else if (this.#hasOverrun()) this.#overrun()
  }

  #write(pieces: readonly Buffer[]): void {
    const { response } = this.#call.incoming
    let isTaken = true
    for (const piece of pieces) if (piece.length > 0) isTaken = response.write(piece)
    if (!isTaken) this.#answer.attempt.pause()
  }

  #hasOverrun(): boolean {
    const { bound, isBounded } = this.#call.prepared
    return isBounded && bound !== undefined && (this.#reader?.contentEvents ?? 0) > bound.completion
  }

  #overrun(): void {
    const problem = new Fault('upstream_failed', 'the answer is longer than its output bound')
    void this.#call.cut({ charge: 'reserved', reason: 'overran', problem })
  }

  #finish(): void {
    const call = this.#call
    const reader = this.#reader
    if (call.isOver) return
    if (reader?.isUnread === true) this.#write(reader.end())
    else if (reader !== undefined && reader.terminal === undefined) {
      this.#broken('upstream', new Fault('upstream_failed', 'the upstream ended before its answer did'))
      return
    }
    const { response } = call.incoming
    const problem = reader?.hasFailed === true ? failedByItself() : undefined
    void call.end({ charge: 'delivered', ...(problem && { problem }) }, (fault) => {
      if (response.closed) return
      // What is not recorded does not look whole.
      if (fault !== undefined) this.#breakOff(fault)
      else response.end(reader?.terminal)
    })
  }

  #fail(error: AttemptError): void {
    if (this.#call.isOver) return
    this.#broken(reasonOf(error), faultOf(error))
  }

  #broken(reason: EndReason, problem: Fault): void {
    void this.#call.cut({ charge: 'delivered', reason, problem })
  }

  /** Says in the dialect that it broke, and closes without the end that a whole answer has. */
  readonly #breakOff = (problem: Refusal | Fault): void => {
    const { response, route } = this.#call.incoming
    if (response.closed) return
    const said =
      route.form === undefined || this.#reader === undefined || this.#reader.hasFailed
        ? none
        : Buffer.concat([this.#reader.isUnread ? lineEnds : none, brokenStream(route.form, problem)])
    // What was written before leaves first, with this turn's end.
    if (said.length === 0) setImmediate(() => breakConnection(response))
    else response.write(said, () => breakConnection(response))
  }
}

/** Ends the event of which a part has passed. An incomplete one that was held is left out. */
const lineEnds = Buffer.from('\n\n')
const none = Buffer.alloc(0)

/** Ends a connection as no whole answer does. */
function breakConnection(response: ServerResponse): void {
  const { socket, req } = response
  // To HTTP/1.0 there are no chunks: the proper end of the connection is that of the answer.
  if (req.httpVersionMinor === 0 && socket !== null && !(socket instanceof TLSSocket))
    socket.resetAndDestroy()
  else response.destroy()
}

const reasons: Readonly<Partial<Record<AttemptError['failure'], EndReason>>> = {
  idle_timeout: 'idle',
  total_timeout: 'total',
}

/** Why a call ends whose upstream fails so in the middle of its answer. */
export function reasonOf({ failure }: AttemptError): EndReason {
  return reasons[failure] ?? 'upstream'
}

/** The upstream itself says in its last event that it failed. */
function failedByItself(): Fault {
  return new Fault('upstream_failed', 'the upstream says that its answer failed')
}

function readerOf(call: OpenCall, answer: BegunAnswer): StreamReader | undefined {
  const { incoming, prepared } = call
  const { headers } = answer
  const { form } = incoming.route
  const type = String(headers['content-type'] ?? '')
  if (form === undefined || headers['content-encoding'] !== undefined) return undefined
  const isSse = /^text\/event-stream\b/i.test(type)
  if (!isSse && !/^application\/x-ndjson\b/i.test(type)) return undefined
  return createStreamReader({
    form,
    framing: isSse ? 'sse' : 'ndjson',
    takesUsageOut: prepared.asksUsageOurselves,
    answers: prepared.answers,
    addsUsages: call.routeAt(answer).addsUsages ?? false,
  })
}
