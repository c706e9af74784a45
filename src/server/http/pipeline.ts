import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export type Serve = (request: IncomingMessage, response: ServerResponse) => void

/** Most requests of one connection that are worked on at once. */
const underWayMax = 16

/**
 * Bounds the requests that one connection has under way: a client may send any number before it
 * reads an answer (RFC 9112 §9.3.2), and each costs a hundred times its bytes. More wait unread, in
 * their order: what one read of the socket has brought, and then it is read no more.
 */
export function boundPipelines(serve: Serve): Serve {
  return function serveInTurn(request, response) {
    const socket: PipelinedSocket = request.socket
    socket[ofSocket] ??= new Pipeline(socket, serve)
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
  /** The oldest first: answers leave in this order. */
  readonly #underWay: ServerResponse[] = []
  #waiting: (readonly [IncomingMessage, ServerResponse])[] = []

  constructor(socket: Socket, serve: Serve) {
    this.#socket = socket
    this.#serve = serve
  }

  add(request: IncomingMessage, response: ServerResponse): void {
    if (this.#waiting.length === 0 && this.#hasRoom()) {
      this.#underWay.push(response)
      this.#serve(request, response)
      return
    }
    if (this.#waiting.push([request, response]) > 1) return
    // Node resumes the socket behind each request that it has read.
    setImmediate(() => this.#waiting.length > 0 && this.#socket.pause())
    this.#goOnWhenAnswered()
  }

  #hasRoom(): boolean {
    while (this.#underWay[0]?.closed === true) this.#underWay.shift()
    return this.#underWay.length < underWayMax
  }

  #goOnWhenAnswered(): void {
    this.#underWay[0]?.once('close', () => this.#goOn())
  }

  #goOn(): void {
    if (this.#socket.destroyed) this.#waiting = []
    const next = this.#waiting.splice(0, this.#hasRoom() ? underWayMax - this.#underWay.length : 0)
    for (const [request, response] of next) {
      this.#underWay.push(response)
      this.#serve(request, response)
    }
    if (this.#waiting.length > 0) this.#goOnWhenAnswered()
    else this.#socket.resume()
  }
}
