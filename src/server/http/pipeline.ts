import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export type Serve = (request: IncomingMessage, response: ServerResponse) => void

/** Most requests of one connection that are worked on at once. */
const underWayMax = 16

/** Most pipelined requests, of all connections, that begin in one turn of the event loop. */
const startsPerTurn = 16

/**
 * Bounds the requests that one connection has under way: a client may send any number before it
 * reads an answer (RFC 9112 §9.3.2), and each costs a hundred times its bytes. More wait unread, in
 * their order: what one read of the socket has brought, and then it is read no more. All such
 * connections take turns, a request each, between which the requests of others are read.
 */
export function boundPipelines(serve: Serve): Serve {
  const starts = new Starts()
  return function serveInTurn(request, response) {
    const socket: PipelinedSocket = request.socket
    socket[ofSocket] ??= new Pipeline(socket, serve, starts)
    socket[ofSocket].add(request, response)
  }
}

// On the socket itself: as the value of a weak map, what a pipeline holds outlives its connection
// until a full garbage collection.
const ofSocket = Symbol('pipeline')

type PipelinedSocket = Socket & { [ofSocket]?: Pipeline }

class Pipeline {
  readonly #socket: Socket
  readonly #serve: Serve
  readonly #starts: Starts
  /** The oldest first: answers leave in this order. */
  readonly #underWay: ServerResponse[] = []
  #waiting: (readonly [IncomingMessage, ServerResponse])[] = []
  #isCloseCheap = false

  constructor(socket: Socket, serve: Serve, starts: Starts) {
    this.#socket = socket
    this.#serve = serve
    this.#starts = starts
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
    if (this.#waiting.length === 0) this.#socket.resume()
    else if (this.#countUnderWay() < underWayMax) return true
    else this.#startWhenAnswered()
    return false
  }

  #start(request: IncomingMessage, response: ServerResponse): void {
    this.#underWay.push(response)
    this.#serve(request, response)
  }

  #holdUp(): void {
    if (!this.#isCloseCheap) closeWithoutTraces(this.#socket)
    this.#isCloseCheap = true
    // Node resumes the socket behind each request that it parses: this comes behind the last of one
    // read, and before the next.
    process.nextTick(() => this.#waiting.length > 0 && this.#socket.pause())
    if (this.#countUnderWay() < underWayMax) this.#starts.add(this)
    else this.#startWhenAnswered()
  }

  #countUnderWay(): number {
    while (this.#underWay[0]?.closed === true) this.#underWay.shift()
    return this.#underWay.length
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
