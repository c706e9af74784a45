import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { getDefaultHighWaterMark } from 'node:stream'
import { isRefused } from './refuse-connection.ts'

export type Serve = (request: IncomingMessage, response: ServerResponse) => void

/** Most requests of one connection that are worked on at once. */
const underWayMax = 16

/** Most pipelined requests, of all connections, that begin in one turn of the event loop. */
const startsPerTurn = 4

/** Most requests of one connection that are parsed and wait: as many as begin in a turn. */
const waitingMax = 16

/**
 * Most of them where the runtime parses by itself, as Bun does: one read of half a megabyte there
 * may hold twenty thousand requests, and no pause comes in between. No client in use sends so many.
 */
const parsedMax = 256

/**
 * Bytes that are parsed at once where it is not known how many requests they hold: those of a head,
 * of a body in chunks, and a read of no more than that, which is most often one request. Shorter, a
 * body in chunks would be dearer; longer, a read of the shortest requests would be hundreds.
 */
const pieceBytesMax = 1_024

/**
 * Bytes of a body in chunks that one connection has parsed in a turn of the event loop, and such
 * connections that have a turn: a chunk may have a single byte, and costs as much as a large one.
 */
const chunkedBytesMax = 16_384
const chunkedPerTurn = 4

/**
 * Most connections from which what is thrown away is read in one turn of the event loop, 64 KiB of
 * each. Without a bound, Node reads up to 2 MiB of each, of refused uploads as of any others.
 */
const discardsPerTurn = 8

/**
 * Fills the stream of a connection that waits for its turn to throw more away. One that has room
 * reads ahead, and where it then gets a little, once more, in the turns of others.
 */
const filling = Buffer.alloc(getDefaultHighWaterMark(false))

/**
 * Bounds the requests that one connection has under way: a client may send any number before it
 * reads an answer (RFC 9112 §9.3.2), and each costs a hundred times its bytes. More wait, in their
 * order: a few as requests, the others as bytes, which are not parsed before these have begun. All
 * such connections take turns, a request each, between which the requests of others are read.
 */
export function boundPipelines(server: Server, serve: Serve): void {
  const turns = {
    starts: new Turns(startsPerTurn, (pipeline) => pipeline.startNext()),
    discards: new Turns(discardsPerTurn, (pipeline) => pipeline.goOn()),
    chunks: new Turns(chunkedPerTurn, (pipeline) => pipeline.goOn()),
  }
  server.on('connection', (socket: PipelinedSocket) => {
    socket[ofSocket] = new Pipeline(socket, serve, turns)
  })
  server.on('request', function serveInTurn(request, response) {
    const { [ofSocket]: pipeline } = request.socket as PipelinedSocket
    pipeline?.add(request, response)
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
  readonly #turns: PipelineTurns
  /** Node's own way to its parser. Undefined in Bun, whose connections have no such listeners. */
  readonly #parse: ((bytes: Buffer) => void) | undefined
  readonly #parseEnd: (() => void) | undefined
  readonly #body = new BodyLeft()
  /** The oldest first: answers leave in this order. */
  readonly #underWay: ServerResponse[] = []
  #waiting: (readonly [IncomingMessage, ServerResponse])[] = []
  #hasHadWaiting = false
  #hasEnded = false
  /** Whether it waits for its turn to throw more away, or to have more chunks parsed. */
  #isResting = false
  /** Bytes of chunks that were parsed in this turn. */
  #chunkedBytes = 0

  constructor(socket: PipelinedSocket, serve: Serve, turns: PipelineTurns) {
    this.#socket = socket
    this.#serve = serve
    this.#turns = turns
    this.#parse = socket.listeners('data').at(-1) as ((bytes: Buffer) => void) | undefined
    this.#parseEnd = socket.listeners('end').at(-1) as (() => void) | undefined
    if (this.#parse !== undefined && this.#parseEnd !== undefined)
      this.#standBefore(this.#parse, this.#parseEnd)
    socket.once('close', () => this.#closeThoseBehind())
  }

  /**
   * Node 22 leaves open the responses whose turn had not come: what their requests hold of limits
   * and memory would never come back, and their spans never end.
   */
  #closeThoseBehind(): void {
    // It closes with its socket, and this one takes nothing more.
    for (const response of this.#underWay)
      if (response.socket === null && !response.destroyed) response.assignSocket(new Socket().destroy())
  }

  #standBefore(parse: (bytes: Buffer) => void, parseEnd: () => void): void {
    const socket = this.#socket
    // Node parses past a socket's events, 64 KiB at once, until they have a listener: of a new
    // connection, thousands of requests. That is some microseconds faster for each request, and
    // four hundred connections without a key filled a heap of 1 GiB so, with 64 KiB each.
    socket.on('data', (bytes: Buffer) => this.#read(bytes)).off('data', parse)
    socket.off('end', parseEnd).on('end', () => this.#end())
    // Node resumes it behind each request that it has read, and behind each answer.
    socket.on('resume', () => this.#isHeldUp() && socket.pause())
  }

  #read(bytes: Buffer): void {
    if (this.#isOver()) this.#discard(bytes)
    else this.#parseInPieces(bytes)
  }

  /**
   * Whether the last answer has been given: what still comes is only read so that the client does
   * not lose it (RFC 9112 §9.6).
   */
  #isOver(): boolean {
    return this.#socket.writableEnded || isRefused(this.#socket)
  }

  #discard(bytes: Buffer): void {
    if (bytes.buffer === filling.buffer) return
    // Frees them at once: until a garbage collection they would be a hundred megabytes.
    const { length } = bytes
    ;(bytes.buffer as ArrayBuffer).transfer(0)
    if (this.#body.isEndedBy(length)) {
      this.#socket.destroy()
      return
    }
    this.#isResting = true
    this.#socket.pause().unshift(filling)
    this.#turns.discards.add(this)
  }

  /** Its turn has come. @returns that it waits for no other */
  goOn(): boolean {
    this.#isResting = false
    this.#socket.resume()
    return false
  }

  #parseInPieces(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#socket.destroyed || this.#isOver()) return
      if (this.#isHeldUp() || this.#socket.isPaused()) {
        // In this order: a stream that flows would emit them at once.
        this.#socket.pause().unshift(bytes.subarray(at))
        return
      }
      const piece = this.#body.pieceOf(bytes.subarray(at))
      at += piece.length
      this.#parse?.(piece)
      if (this.#body.isInChunks) this.#countChunked(piece.length)
    }
  }

  #countChunked(bytes: number): void {
    this.#chunkedBytes += bytes
    if (this.#chunkedBytes < chunkedBytesMax) return
    this.#chunkedBytes = 0
    this.#isResting = true
    this.#socket.pause()
    this.#turns.chunks.add(this)
  }

  #isHeldUp(): boolean {
    return this.#isResting || this.#waiting.length >= waitingMax || this.#socket._paused === true
  }

  /** A client that sends no more is answered what it has asked for. */
  #end(): void {
    this.#hasEnded = true
    if (this.#waiting.length === 0 && !isRefused(this.#socket)) this.#parseEnd?.()
  }

  add(request: IncomingMessage, response: ServerResponse): void {
    this.#body.follow(request)
    if (this.#waiting.length === 0 && this.#countUnderWay() === 0) this.#start(request, response)
    else {
      const waiting = this.#waiting.push([request, response])
      if (waiting === 1) this.#planStart()
      if (waiting === waitingMax) this.#socket.pause()
      if (this.#parse === undefined && waiting > parsedMax) this.#socket.destroy()
    }
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

  #planStart(): void {
    if (!this.#hasHadWaiting) closeWithoutTraces(this.#socket)
    this.#hasHadWaiting = true
    if (this.#countUnderWay() < underWayMax) this.#turns.starts.add(this)
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

  #startWhenAnswered(): void {
    this.#underWay[0]?.once('close', () => this.#turns.starts.add(this))
  }
}

/** Tells how much of what arrives may be parsed at once without many requests in it. */
class BodyLeft {
  #request: IncomingMessage | undefined
  /** Bytes of its body, as far as its head tells; none of a body in chunks. */
  #left = 0

  /** A request whose head has been parsed. */
  follow(request: IncomingMessage): void {
    this.#request = request
    this.#left = Number(request.headers['content-length']) || 0
  }

  /** Whether a body is being parsed whose length is not known. */
  get isInChunks(): boolean {
    return this.#request?.complete === false && this.#left <= 0
  }

  /** Whether so many bytes more, which are not parsed, are the last of a body. */
  isEndedBy(bytes: number): boolean {
    if (this.#left <= 0 || this.#request?.complete === true) return false
    this.#left -= bytes
    return this.#left <= 0
  }

  /** The beginning of it: of a body all that is left, otherwise a head, or a little. */
  pieceOf(bytes: Buffer): Buffer {
    if (this.#request?.complete === false) {
      const piece = bytes.subarray(0, Math.max(pieceBytesMax, this.#left))
      this.#left -= piece.length
      return piece
    }
    if (bytes.length <= pieceBytesMax) return bytes
    const piece = bytes.subarray(0, pieceBytesMax)
    const end = piece.indexOf(endOfHead)
    return end === -1 ? piece : piece.subarray(0, end + endOfHead.length)
  }
}

const endOfHead = '\r\n\r\n'

/** Pipelines that wait for a turn of the event loop, in the order in which they take theirs. */
class Turns {
  readonly #perTurn: number
  /** Returns whether the pipeline waits for another. */
  readonly #take: (pipeline: Pipeline) => boolean
  readonly #waiting: Pipeline[] = []

  constructor(perTurn: number, take: (pipeline: Pipeline) => boolean) {
    this.#perTurn = perTurn
    this.#take = take
  }

  add(pipeline: Pipeline): void {
    if (this.#waiting.push(pipeline) === 1) setImmediate(() => this.#run())
  }

  #run(): void {
    for (let left = this.#perTurn; left > 0; left -= 1) {
      const pipeline = this.#waiting.shift()
      if (pipeline === undefined) return
      if (this.#take(pipeline)) this.#waiting.push(pipeline)
    }
    if (this.#waiting.length > 0) setImmediate(() => this.#run())
  }
}

interface PipelineTurns {
  /** For the next request. */
  readonly starts: Turns
  /** For one more read of what is thrown away. */
  readonly discards: Turns
  /** For more of a body in chunks. */
  readonly chunks: Turns
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
