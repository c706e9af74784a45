import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isRefused } from './refuse-connection.ts'

export type Serve = (request: IncomingMessage, response: ServerResponse) => void

/** Most requests of one connection that are worked on at once. */
const underWayMax = 16

/** Most pipelined requests, of all connections, that begin in one turn of the event loop. */
const startsPerTurn = 16

/**
 * Bytes that are parsed at once: two hundred of the shortest requests. Of fewer, a body of
 * megabytes would cost half as much again; of more, the requests of twenty connections, and what
 * Node does for each that waits when its connection closes, would hold up all others.
 */
const pieceBytesMax = 4_096

/**
 * Bounds the requests that one connection has under way: a client may send any number before it
 * reads an answer (RFC 9112 §9.3.2), and each costs a hundred times its bytes. More wait, in their
 * order: as requests, what one piece of the bytes has brought, and as bytes, which are not parsed
 * before these have begun. All such connections take turns, a request each, between which the
 * requests of others are read.
 */
export function boundPipelines(server: Server, serve: Serve): void {
  const starts = new Starts()
  server.on('request', function serveInTurn(request, response) {
    const socket: PipelinedSocket = request.socket
    socket[ofSocket] ??= new Pipeline(socket, serve, starts)
    socket[ofSocket].add(request, response)
  })
}

// On the socket itself: as the value of a weak map, what a pipeline holds outlives its connection
// until a full garbage collection.
const ofSocket = Symbol('pipeline')

interface PipelinedSocket extends Socket {
  [ofSocket]?: Pipeline
  /** Whether Node itself parses no more, as answers wait to leave. It has no public name. */
  readonly _paused?: boolean
}

class Pipeline {
  readonly #socket: PipelinedSocket
  readonly #serve: Serve
  readonly #starts: Starts
  /** Node's own way to its parser, once the connection's bytes come in pieces. */
  #parse: (bytes: Buffer) => void = () => {}
  #parseEnd: () => void = () => {}
  /** The oldest first: answers leave in this order. */
  readonly #underWay: ServerResponse[] = []
  #waiting: (readonly [IncomingMessage, ServerResponse])[] = []
  #hasHadWaiting = false
  #isInPieces = false
  #hasEnded = false

  constructor(socket: PipelinedSocket, serve: Serve, starts: Starts) {
    this.#socket = socket
    this.#serve = serve
    this.#starts = starts
  }

  /**
   * From the first read behind a request that had to wait: Node parses 64 KiB at once, past a
   * socket's events, until these have a listener. That is a fifth faster, so a client that awaits
   * each answer keeps it.
   */
  #readInPieces(): void {
    this.#isInPieces = true
    const socket = this.#socket
    this.#parse = socket.listeners('data').at(-1) as (bytes: Buffer) => void
    this.#parseEnd = socket.listeners('end').at(-1) as () => void
    socket.on('data', (bytes: Buffer) => this.#read(bytes)).off('data', this.#parse)
    socket.off('end', this.#parseEnd).on('end', () => this.#end())
  }

  #read(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += pieceBytesMax) {
      if (this.#socket.destroyed || isRefused(this.#socket)) return
      if (this.#isHeldUp() || this.#socket.isPaused()) {
        // In this order: a stream that flows would emit them at once.
        this.#socket.pause().unshift(bytes.subarray(at))
        return
      }
      this.#parse(bytes.subarray(at, at + pieceBytesMax))
    }
  }

  #isHeldUp(): boolean {
    return this.#waiting.length > 0 || this.#socket._paused === true
  }

  /** A client that sends no more is answered what it has asked for. */
  #end(): void {
    this.#hasEnded = true
    if (this.#waiting.length === 0 && !isRefused(this.#socket)) this.#parseEnd()
  }

  add(request: IncomingMessage, response: ServerResponse): void {
    if (this.#waiting.length === 0 && this.#countUnderWay() === 0) this.#start(request, response)
    else if (this.#waiting.push([request, response]) === 1) this.#holdUp()
  }

  /**
   * Begins the request that has waited longest.
   * @returns whether another may begin
   */
  startNext(): boolean {
    if (this.#socket.destroyed) this.#waiting = []
    const next = this.#waiting.shift()
    if (next !== undefined) this.#start(...next)
    if (this.#waiting.length === 0) this.#readOn()
    else if (this.#countUnderWay() < underWayMax) return true
    else this.#startWhenAnswered()
    return false
  }

  #start(request: IncomingMessage, response: ServerResponse): void {
    this.#underWay.push(response)
    this.#serve(request, response)
  }

  #holdUp(): void {
    if (!this.#hasHadWaiting) this.#watch()
    this.#hasHadWaiting = true
    this.#socket.pause()
    if (this.#countUnderWay() < underWayMax) this.#starts.add(this)
    else this.#startWhenAnswered()
  }

  #readOn(): void {
    if (this.#hasEnded) this.#end()
    else this.#socket.resume()
  }

  #countUnderWay(): number {
    while (this.#underWay[0]?.closed === true) this.#underWay.shift()
    return this.#underWay.length
  }

  #watch(): void {
    const socket = this.#socket
    closeWithoutTraces(socket)
    // Node resumes it behind each request that it has read, and behind each answer.
    socket.on('resume', () => {
      if (this.#isHeldUp()) socket.pause()
      else if (!this.#isInPieces) this.#readInPieces()
    })
  }

  #startWhenAnswered(): void {
    this.#underWay[0]?.once('close', () => this.#starts.add(this))
  }
}

/** The pipelines whose next request may begin, in the order in which they take their turns. */
class Starts {
  readonly #ready: Pipeline[] = []

  add(pipeline: Pipeline): void {
    if (this.#ready.push(pipeline) === 1) setImmediate(() => this.#run())
  }

  #run(): void {
    for (let left = startsPerTurn; left > 0; left -= 1) {
      const pipeline = this.#ready.shift()
      if (pipeline === undefined) return
      if (pipeline.startNext()) this.#ready.push(pipeline)
    }
    if (this.#ready.length > 0) setImmediate(() => this.#run())
  }
}

/**
 * When a connection closes, Node makes an error for each of its requests that is not answered: of a
 * thousand, their stack traces would hold up all others for a tenth of a second.
 */
function closeWithoutTraces(socket: Socket): void {
  let limit = Error.stackTraceLimit
  // Before and behind the listener of Node's own, in one turn.
  socket.prependOnceListener('close', () => {
    limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
  })
  socket.once('close', () => {
    Error.stackTraceLimit = limit
  })
}
