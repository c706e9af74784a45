import { connect, type Socket } from 'node:net'

/** An answer as its bytes say, parsed here and not by the library under test. */
export interface RawAnswer {
  readonly status: number
  /** Lower-case names; every value of a name. */
  readonly headers: ReadonlyMap<string, readonly string[]>
  readonly body: string
  /** Statuses of the 1xx answers that came before it. */
  readonly interim: readonly number[]
}

export interface RawRequest {
  /** @default POST */
  readonly method?: string
  readonly path?: string
  /**
   * Pairs in the order sent; written as they are, one byte a character (latin1). A `Host` and the
   * length come by themselves.
   */
  readonly headers?: readonly (readonly [string, string])[]
  readonly body?: string | Buffer
}

/** The bytes of a request. With a body comes its length, unless a header says how it is sent. */
export function formatRequest({
  method = 'POST',
  path = '/predict',
  headers = [],
  body,
}: RawRequest): Buffer {
  const isFramed = headers.some(([name]) => /^(?:content-length|transfer-encoding)$/i.test(name))
  const length = body === undefined || isFramed ? [] : [['Content-Length', String(Buffer.byteLength(body))]]
  const lines = [['Host', 'modelward.test'], ...headers, ...length].map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
  return Buffer.concat([head, Buffer.from(body ?? '')])
}

/**
 * A connection that writes bytes and waits for what comes back; every wait is for an event of the
 * socket.
 */
export class RawConnection {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #isEnded = false
  #isClosed = false
  #wake: () => void = () => {}

  constructor(port: number) {
    // Half open: the server's closing of its side must not close ours, or no client could be seen
    // to go on sending.
    this.#socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.#socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes])
      this.#wake()
    })
    this.#socket.on('end', () => {
      this.#isEnded = true
      this.#wake()
    })
    this.#socket.on('close', () => {
      this.#isClosed = true
      this.#wake()
    })
    // A reset after the answer is what a client that goes on sending must expect; before it,
    // `answer` says so.
    this.#socket.on('error', () => this.#wake())
  }

  /** All bytes that came and were not yet taken as an answer. */
  get received(): string {
    return this.#received.toString('latin1')
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** How many bytes have been handed to the operating system. */
  get bytesSent(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength
  }

  /** Writes, and waits until more may be written; false when the connection is gone. */
  async write(bytes: Buffer | string): Promise<boolean> {
    if (this.#isClosed || !this.#socket.writable) return false
    if (this.#socket.write(bytes)) return true
    return new Promise((resolve) => {
      const settle = (): void => {
        this.#socket.off('drain', settle).off('close', settle)
        resolve(!this.#isClosed && this.#socket.writable)
      }
      this.#socket.on('drain', settle).on('close', settle)
    })
  }

  /** The next final answer. Rejects where the connection ends before there is one. */
  async answer(): Promise<RawAnswer> {
    for (;;) {
      const parsed = parseAnswer(this.#received, this.#isEnded)
      if (parsed !== undefined) {
        this.#received = this.#received.subarray(parsed.length)
        return parsed.answer
      }
      if (this.#isEnded || this.#isClosed)
        throw new Error(`the connection ended before an answer, after ${JSON.stringify(this.received)}`)
      await this.#event()
    }
  }

  /**
   * Resolves when these are the next bytes; rejects when the connection ends before. They are not
   * taken.
   */
  async receives(text: string): Promise<void> {
    while (!this.received.startsWith(text)) {
      if (this.#isEnded || this.#isClosed)
        throw new Error(`expected ${JSON.stringify(text)}, got ${this.received}`)
      await this.#event()
    }
  }

  /** Resolves when the server has closed its side. */
  async ended(): Promise<void> {
    while (!this.#isEnded && !this.#isClosed) await this.#event()
  }

  /** Resolves when the connection is gone, both sides. */
  async closed(): Promise<void> {
    while (!this.#isClosed) await this.#event()
  }

  close(): void {
    this.#socket.destroy()
  }

  #event(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

/** Sends bytes on a connection of their own and gives the answer. */
export async function exchange(port: number, bytes: Buffer | string): Promise<RawAnswer> {
  const connection = new RawConnection(port)
  try {
    void connection.write(bytes)
    return await connection.answer()
  } finally {
    connection.close()
  }
}

interface ParsedAnswer {
  readonly answer: RawAnswer
  readonly length: number
}

interface Head {
  readonly status: number
  readonly headers: ReadonlyMap<string, readonly string[]>
  readonly end: number
}

function parseAnswer(bytes: Buffer, isEnded: boolean): ParsedAnswer | undefined {
  const interim: number[] = []
  let start = 0
  for (;;) {
    const head = parseHead(bytes, start)
    if (head === undefined) return undefined
    start = head.end
    if (head.status >= 200 || head.status === 101) {
      const body = parseBody(bytes.subarray(start), head, isEnded)
      if (body === undefined) return undefined
      const { status, headers } = head
      return { answer: { status, headers, body: body.text, interim }, length: start + body.length }
    }
    interim.push(head.status)
  }
}

function parseHead(bytes: Buffer, start: number): Head | undefined {
  const end = bytes.indexOf('\r\n\r\n', start)
  if (end < 0) return undefined
  const [first = '', ...lines] = bytes.toString('latin1', start, end).split('\r\n')
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(`${first} `)?.[1]
  if (status === undefined) throw new Error(`expected a status line, got ${JSON.stringify(first)}`)
  const headers = new Map<string, string[]>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()])
  }
  return { status: Number(status), headers, end: end + 4 }
}

function parseBody(
  bytes: Buffer,
  { status, headers }: Head,
  isEnded: boolean,
): { text: string; length: number } | undefined {
  if (status === 101 || status === 204 || status === 304) return { text: '', length: 0 }
  if (headers.get('transfer-encoding')?.includes('chunked') === true) return parseChunks(bytes)
  const announced = headers.get('content-length')?.[0]
  if (announced === undefined && !isEnded) return undefined
  const length = announced === undefined ? bytes.length : Number(announced)
  return bytes.length < length ? undefined : { text: bytes.toString('utf8', 0, length), length }
}

function parseChunks(bytes: Buffer): { text: string; length: number } | undefined {
  const parts: Buffer[] = []
  for (let start = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', start)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', start, lineEnd), 16)
    const end = lineEnd + 2 + size
    if (bytes.length < end + 2) return undefined
    if (size === 0) return { text: Buffer.concat(parts).toString('utf8'), length: end + 2 }
    parts.push(bytes.subarray(lineEnd + 2, end))
    start = end + 2
  }
}
