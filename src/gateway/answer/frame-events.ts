import { carriageReturn, lineFeed } from './json-bytes.ts'

const nothing = Buffer.alloc(0)

/** An event goes on, is taken out, or is held back, and with it all that comes behind it. */
export type EventFate = 'pass' | 'drop' | 'hold'

export interface EventFramesOptions {
  readonly framing: 'sse' | 'ndjson'
  /** Bytes of an event that are held until it is complete; a larger one passes unread. */
  readonly eventBytesMax: number
  /** Hears of each complete event: `bytes` from `start` to before `end`, with what ends it. */
  readonly onEvent: (bytes: Buffer, start: number, end: number) => EventFate
  /** Hears how many bytes pass of an event that is too large, and whether they are its first. */
  readonly onUnread: (byteCount: number, isNew: boolean) => void
}

/**
 * Cuts a stream into events by bytes, wherever the network has cut it. What goes on is the same
 * bytes in the same order: views of the pieces that came, and a copy where an event was split.
 *
 * An empty line ends a server-sent event; LF, CRLF or CR ends a line (WHATWG HTML, section 9.2.5).
 * LF ends an event of NDJSON. The work is linear in the bytes, however they are split.
 */
export class EventFrames {
  readonly #options: EventFramesOptions
  /** The beginning of an event whose end has not come. */
  #held = nothing
  #heldBytes = 0
  /** Whether the bytes that come belong to an event that is too large. */
  #isUnread = false
  #terminal: Buffer | undefined
  /** Whether the current line has no byte yet. */
  #isLineEmpty = true
  /** Whether the last byte was a CR that an LF may follow, and whether its line was empty. */
  #openCr: 'no' | 'line' | 'empty line' = 'no'
  /** Whether CR alone ended the last line: an LF is not waited for then. */
  #isBareCr = false
  /** Where the next of each stands in the chunk: found once, each byte is looked at once. */
  #nextLf = -1
  #nextCr = -1

  constructor(options: EventFramesOptions) {
    this.#options = options
  }

  /** The event that is held back. Undefined: none is. */
  get terminal(): Buffer | undefined {
    return this.#terminal
  }

  /** Takes the next bytes. @returns what may leave now */
  push(chunk: Buffer): Buffer[] {
    const leaving: Buffer[] = []
    // Nothing from `from` on has left; the current event goes on at `start`.
    let from = 0
    let start = 0
    this.#nextLf = -1
    this.#nextCr = -1
    while (this.#terminal === undefined) {
      const end = this.#findEnd(chunk, start)
      if (end === -1) break
      if (this.#isUnread || this.#heldBytes + end - start > this.#options.eventBytesMax) {
        this.#passUnread(end - start, leaving)
        this.#isUnread = false
      } else if (this.#heldBytes > 0) {
        this.#hold(chunk, start, end)
        this.#judgeHeld(leaving)
        from = end
      } else {
        const fate = this.#options.onEvent(chunk, start, end)
        if (fate === 'hold') this.#terminal = chunk.subarray(start, end)
        if (fate !== 'pass') {
          if (start > from) leaving.push(chunk.subarray(from, start))
          from = end
        }
      }
      start = end
    }
    if (this.#terminal === undefined) this.#keepRest(chunk, from, start, leaving)
    return leaving
  }

  /**
   * The stream has ended. An event that lacks nothing but its end is read all the same: for
   * clients of NDJSON it is complete.
   * @returns the incomplete event that was held
   */
  end(): Buffer[] {
    const leaving: Buffer[] = []
    if (this.#heldBytes > 0) this.#judgeHeld(leaving)
    return leaving
  }

  #judgeHeld(leaving: Buffer[]): void {
    const event = this.#held.subarray(0, this.#heldBytes)
    this.#held = nothing
    this.#heldBytes = 0
    const fate = this.#options.onEvent(event, 0, event.length)
    if (fate === 'hold') this.#terminal = event
    if (fate === 'pass') leaving.push(event)
  }

  #keepRest(chunk: Buffer, from: number, start: number, leaving: Buffer[]): void {
    const rest = chunk.length - start
    const isUnread = this.#isUnread || this.#heldBytes + rest > this.#options.eventBytesMax
    if (isUnread) this.#passUnread(rest, leaving)
    const until = isUnread ? chunk.length : start
    if (until > from) leaving.push(chunk.subarray(from, until))
    if (until < chunk.length) this.#hold(chunk, until, chunk.length)
  }

  /** What was held of an event leaves, before `byteCount` bytes more of it. */
  #passUnread(byteCount: number, leaving: Buffer[]): void {
    if (this.#heldBytes > 0) leaving.push(this.#held.subarray(0, this.#heldBytes))
    this.#options.onUnread(this.#heldBytes + byteCount, !this.#isUnread)
    this.#held = nothing
    this.#heldBytes = 0
    this.#isUnread = true
  }

  /** Adds to what is held. Its room doubles, so that single bytes cost no more than pieces. */
  #hold(chunk: Buffer, start: number, end: number): void {
    const needed = this.#heldBytes + end - start
    if (needed > this.#held.length) {
      const roomier = Buffer.allocUnsafe(Math.max(needed, this.#heldBytes * 2))
      this.#held.copy(roomier, 0, 0, this.#heldBytes)
      this.#held = roomier
    }
    chunk.copy(this.#held, this.#heldBytes, start, end)
    this.#heldBytes = needed
  }

  /** @returns where the bytes behind the current event begin, or -1 */
  #findEnd(chunk: Buffer, from: number): number {
    if (from === chunk.length) return -1
    if (this.#options.framing === 'sse') return this.#findEmptyLine(chunk, from)
    const end = chunk.indexOf(lineFeed, from)
    return end === -1 ? -1 : end + 1
  }

  #findEmptyLine(chunk: Buffer, from: number): number {
    let at = from
    if (this.#openCr !== 'no') {
      const isEvent = this.#openCr === 'empty line'
      this.#openCr = 'no'
      this.#isBareCr = chunk[at] !== lineFeed
      if (!this.#isBareCr) at++
      if (isEvent) return at
    }
    while (at < chunk.length) {
      const end = this.#findLineEnd(chunk, at)
      const isEmpty = this.#isLineEmpty && end === at
      this.#isLineEmpty = end < chunk.length || isEmpty
      if (end === chunk.length) return -1
      at = end + 1
      const isCr = chunk[end] === carriageReturn
      if (isCr && at === chunk.length && !(isEmpty && this.#isBareCr)) {
        // The LF of an empty line belongs to its event. Where CR alone ends lines, none will come.
        this.#openCr = isEmpty ? 'empty line' : 'line'
        return -1
      }
      this.#isBareCr = isCr && chunk[at] !== lineFeed
      if (isCr && !this.#isBareCr) at++
      if (isEmpty) return at
    }
    return -1
  }

  /** @returns where the next CR or LF stands, or the chunk's length */
  #findLineEnd(chunk: Buffer, from: number): number {
    if (this.#nextLf < from) this.#nextLf = indexOrLength(chunk, lineFeed, from)
    if (this.#nextCr < from) this.#nextCr = indexOrLength(chunk, carriageReturn, from)
    return Math.min(this.#nextLf, this.#nextCr)
  }
}

function indexOrLength(chunk: Buffer, byte: number, from: number): number {
  const index = chunk.indexOf(byte, from)
  return index === -1 ? chunk.length : index
}
