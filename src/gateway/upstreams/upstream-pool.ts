import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import { buildConnector, Client, type Dispatcher } from 'undici'

/** What goes over a connection. */
export interface PooledRequest {
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | undefined
}

export type AnswerHeaders = Readonly<Record<string, string | readonly string[]>>

/** What becomes of a request: sent, a head, pieces, then one end. */
export interface PoolListener {
  /** It is about to be written. @param isKept to a connection that has brought an answer before */
  readonly onSent: (isKept: boolean) => void
  /** The first byte of any head has come. */
  readonly onBegun: () => void
  readonly onHead: (status: number, headers: AnswerHeaders) => void
  readonly onPiece: (piece: Buffer) => void
  readonly onEnd: () => void
  readonly onError: (error: Error) => void
}

/** A request under way. */
export interface PooledExchange {
  /** Closes its connection, in whatever state it is; the listener hears nothing more. */
  readonly abort: () => void
  readonly pause: () => void
  readonly resume: () => void
}

/** Connections to one origin, each of which carries one request at a time. */
export interface UpstreamPool {
  /** The listener hears nothing before this has returned. */
  readonly send: (request: PooledRequest, listener: PoolListener) => PooledExchange
  /** Closes the connections that carry nothing. */
  readonly closeIdle: () => void
  /** Closes all; the listeners of what was under way hear an error. */
  readonly close: () => Promise<void>
}

export interface UpstreamPoolOptions {
  /** `https://host:port`. */
  readonly origin: string
  /** PEM texts of the authorities that are trusted. @default the system's */
  readonly ca?: string | undefined
}

/** Largest head of an answer, in bytes. */
const headBytesMax = 16 * 1024

/** Shorter than what servers keep: uvicorn closes after 5 s. */
const keepMs = 4_000

/**
 * Pieces of an answer between two turns of the event loop: one may have a single byte, and a read
 * of a socket thousands of them.
 */
const piecesMax = 256

/** Why a connection is closed before its time; no listener hears it. */
const givenUp = new Error('given up')

/**
 * The one file with undici. Each connection is a `Client`, not a part of a `Pool`: only so is it
 * known which connection a request waits for, and a request is given up by closing that one, also
 * while it connects. The clocks are the caller's: undici has none running here.
 */
export function createUpstreamPool({ origin, ca }: UpstreamPoolOptions): UpstreamPool {
  const connect = buildConnector({
    allowH2: false,
    timeout: 0,
    rejectUnauthorized: true,
    ...(ca !== undefined && { ca }),
  })
  const connections = new Set<Connection>()
  /** The one used last is used next: the others end by themselves. */
  const idle: Connection[] = []
  let isClosed = false

  function open(): Connection {
    const connection = new Connection(origin, connect, (ended) => {
      const at = idle.indexOf(ended)
      if (at === -1) return
      idle.splice(at, 1)
      drop(ended)
    })
    connections.add(connection)
    return connection
  }

  function drop(connection: Connection): void {
    connections.delete(connection)
    void connection.close()
  }

  return {
    send(request, listener) {
      const connection = idle.pop() ?? open()
      // A request to one that is closed ends with an error.
      if (isClosed) drop(connection)
      const exchange = new Exchange(connection, listener, (isReusable) => {
        if (isReusable && connections.has(connection)) idle.push(connection)
        else drop(connection)
      })
      exchange.begin(request)
      return exchange
    },
    closeIdle() {
      for (const connection of idle.splice(0)) drop(connection)
    },
    async close() {
      isClosed = true
      const all = [...connections]
      connections.clear()
      idle.length = 0
      await Promise.all(all.map((connection) => connection.close()))
    },
  }
}

/** One connection, opened again where it was closed between two requests. */
class Connection {
  readonly client: Client
  /** Whether its socket has brought an answer. */
  isKept = false
  #connecting: Socket | undefined

  constructor(origin: string, connect: buildConnector.connector, onEnd: (connection: Connection) => void) {
    this.client = new Client(origin, {
      pipelining: 1,
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: keepMs,
      maxHeaderSize: headBytesMax,
      connect: (options, callback) => {
        this.isKept = false
        // The type says nothing of the socket that undici documents as returned.
        const socket = connect(options, (...outcome) => {
          this.#connecting = undefined
          callback(...outcome)
        }) as unknown as Socket
        this.#connecting = socket
        return socket
      },
    })
    this.client.on('disconnect', () => onEnd(this))
  }

  close(): Promise<void> {
    this.#connecting?.destroy()
    return this.client.destroy(givenUp)
  }
}

class Exchange implements PooledExchange, Dispatcher.DispatchHandler {
  readonly #connection: Connection
  readonly #listener: PoolListener
  readonly #release: (isReusable: boolean) => void
  #controller: Dispatcher.DispatchController | undefined
  #hasReturned = false
  #isPaused = false
  #isOver = false
  /** Since others had a turn. */
  #pieces = 0

  constructor(connection: Connection, listener: PoolListener, release: (isReusable: boolean) => void) {
    this.#connection = connection
    this.#listener = listener
    this.#release = release
  }

  begin({ method, path, headers, body }: PooledRequest): void {
    this.#connection.client.dispatch({ method, path, headers, body: body ?? null }, this)
    this.#hasReturned = true
  }

  abort(): void {
    this.#end(false)
  }

  pause(): void {
    this.#isPaused = true
    if (!this.#isOver) this.#controller?.pause()
  }

  resume(): void {
    this.#isPaused = false
    // Not at once: undici's parser cannot go on within what another one calls.
    queueMicrotask(this.#goOn)
  }

  readonly #goOn = (): void => {
    if (!this.#isOver && !this.#isPaused) this.#controller?.resume()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#isOver) {
      controller.abort(givenUp)
      return
    }
    this.#controller = controller
    if (this.#isPaused) controller.pause()
    const { isKept } = this.#connection
    if (this.#hasReturned) this.#listener.onSent(isKept)
    else queueMicrotask(() => this.#isOver || this.#listener.onSent(isKept))
  }

  onResponseStarted(): void {
    if (!this.#isOver) this.#listener.onBegun()
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // undici sets no header that is undefined.
    if (!this.#isOver && status >= 200) this.#listener.onHead(status, headers as AnswerHeaders)
  }

  onResponseData(_: Dispatcher.DispatchController, piece: Buffer): void {
    if (this.#isOver) return
    this.#pieces += 1
    if (this.#pieces === piecesMax) {
      this.#pieces = 0
      this.#controller?.pause()
      setImmediate(this.#goOn)
    }
    this.#listener.onPiece(piece)
  }

  onResponseEnd(): void {
    this.#connection.isKept = true
    if (this.#end(true)) this.#listener.onEnd()
  }

  /** Must not throw, says undici, nor may the listener's. */
  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    const tell = (): void => {
      if (this.#end(false)) this.#listener.onError(error)
    }
    if (this.#hasReturned) tell()
    else queueMicrotask(tell)
  }

  #end(isReusable: boolean): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#controller = undefined
    this.#release(isReusable)
    return true
  }
}
