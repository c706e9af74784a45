import { type EventFate, EventFrames } from './frame-events.ts'
import { beginsWith, carriageReturn, colon, lineFeed } from './json-bytes.ts'
import { EventScan } from './scan-event.ts'
import { type EventReader, streamForms } from './stream-forms.ts'
import type { SaidUsage, StreamReader, StreamReaderOptions } from './stream-reader.ts'

/** An event may be as large as this; a larger one passes unread, and its call is estimated. */
const eventBytesMax = 1024 * 1024
const byteOrderMark = Buffer.from('\uFEFF')
const dataField = Buffer.from('data')
const errorLine = Buffer.from('event:error')
const spacedErrorLine = Buffer.from('event: error')
const space = 0x20
const openBracket = 0x5b

/** Reads a stream as it passes; parses an event only where it may say more than text. */
export function createStreamReader(options: StreamReaderOptions): StreamReader {
  return new AnswerStream(options)
}

class AnswerStream implements StreamReader {
  readonly #frames: EventFrames
  readonly #scan: EventScan
  readonly #read: EventReader
  readonly #takesUsageOut: boolean
  #isFirst = true
  #hasFailed = false
  #isUnread = false
  #usage: SaidUsage | undefined
  #contentEvents = 0
  #contentBytes = 0

  constructor(options: StreamReaderOptions) {
    const form = streamForms[options.form]
    this.#scan = new EventScan(form.names)
    this.#read = form.createReader(options.answers ?? 1, options.addsUsages ?? false)
    this.#takesUsageOut = options.takesUsageOut
    const readData =
      options.framing === 'sse'
        ? (bytes: Buffer, start: number, end: number) => this.#findSseData(bytes, start, end)
        : (bytes: Buffer, start: number, end: number) => this.#findLineData(bytes, start, end)
    this.#frames = new EventFrames({
      framing: options.framing,
      eventBytesMax: options.eventBytesMax ?? eventBytesMax,
      onEvent: (bytes, start, end) => {
        this.#scan.clear()
        return this.#judge(readData(bytes, this.#skipMark(bytes, start, end), end))
      },
      onUnread: (byteCount, isNew) => this.#countUnread(byteCount, isNew),
    })
  }

  get terminal(): Buffer | undefined {
    return this.#frames.terminal
  }

  get hasFailed(): boolean {
    return this.#hasFailed
  }

  get isUnread(): boolean {
    return this.#isUnread
  }

  get usage(): SaidUsage | undefined {
    return this.#usage
  }

  get contentEvents(): number {
    return this.#contentEvents
  }

  get contentBytes(): number {
    return this.#contentBytes
  }

  push(chunk: Buffer): readonly Buffer[] {
    return this.#frames.push(chunk)
  }

  end(): readonly Buffer[] {
    return this.#frames.end()
  }

  /** @param data of an event that is worth parsing */
  #judge(data: Buffer | undefined): EventFate {
    const { textBytes } = this.#scan
    if (textBytes > 0) {
      this.#contentEvents++
      this.#contentBytes += textBytes
    }
    if (data === undefined) return 'pass'
    const said = this.#read(data)
    this.#hasFailed ||= said.hasFailed === true
    this.#usage = said.usage ?? this.#usage
    if (said.isTerminal) return 'hold'
    return said.isUsageAlone && this.#takesUsageOut ? 'drop' : 'pass'
  }

  /** What an unread event says is not known; its bytes count as text, which is never too little. */
  #countUnread(byteCount: number, isNew: boolean): void {
    this.#contentBytes += byteCount
    if (!isNew) return
    this.#contentEvents++
    this.#isUnread = true
    // It may have said more than what was said before it.
    const prompt = this.#usage?.prompt
    this.#usage = prompt === undefined ? undefined : { prompt, completion: undefined }
  }

  /** A byte order mark may stand before the first event. */
  #skipMark(bytes: Buffer, start: number, end: number): number {
    if (!this.#isFirst) return start
    this.#isFirst = false
    return beginsWith(bytes, start, end, byteOrderMark) ? start + byteOrderMark.length : start
  }

  #findLineData(bytes: Buffer, start: number, end: number): Buffer | undefined {
    this.#scan.readLine(bytes, start, end)
    return this.#scan.isMarked ? bytes.subarray(start, end) : undefined
  }

  /** Looks through an event's lines. @returns its data, if it is worth parsing */
  #findSseData(bytes: Buffer, start: number, end: number): Buffer | undefined {
    let lines = 0
    let dataStart = end
    let dataEnd = end
    let isErrorEvent = false
    for (let at = start; at < end; at++) {
      const value = valueOfData(bytes, at, end)
      if (value === -1) {
        const lineEnd = endOfLine(bytes, at, end)
        isErrorEvent ||= isErrorLine(bytes, at, lineEnd)
        at = lineEnd
      } else {
        at = this.#scan.readLine(bytes, value, end)
        if (lines++ > 0) continue
        dataStart = value
        dataEnd = at
      }
    }
    // Clients pass over an event without data.
    if (lines === 0) return undefined
    this.#hasFailed ||= isErrorEvent
    if (!this.#scan.isMarked && bytes[dataStart] !== openBracket) return undefined
    return lines === 1 ? bytes.subarray(dataStart, dataEnd) : joinData(bytes, start, end)
  }
}

/** The values of an event's `data` fields, an LF between them. */
function joinData(bytes: Buffer, start: number, end: number): Buffer {
  const data = Buffer.allocUnsafe(end - start)
  let length = 0
  for (let at = start; at < end; at++) {
    const value = valueOfData(bytes, at, end)
    const lineEnd = endOfLine(bytes, value === -1 ? at : value, end)
    if (value !== -1) {
      length += bytes.copy(data, length, value, lineEnd)
      data[length++] = lineFeed
    }
    at = lineEnd
  }
  return data.subarray(0, length - 1)
}

/** @returns where the value of a `data` field begins; -1: the line at `at` is no such field */
function valueOfData(bytes: Buffer, at: number, end: number): number {
  if (!beginsWith(bytes, at, end, dataField)) return -1
  const behind = at + dataField.length
  if (bytes[behind] === colon) return bytes[behind + 1] === space ? behind + 2 : behind + 1
  return behind >= end || bytes[behind] === lineFeed || bytes[behind] === carriageReturn ? behind : -1
}

function isErrorLine(bytes: Buffer, at: number, lineEnd: number): boolean {
  const name = lineEnd - at
  return (
    (name === errorLine.length && beginsWith(bytes, at, lineEnd, errorLine)) ||
    (name === spacedErrorLine.length && beginsWith(bytes, at, lineEnd, spacedErrorLine))
  )
}

function endOfLine(bytes: Buffer, from: number, end: number): number {
  let at = from
  while (at < end && bytes[at] !== lineFeed && bytes[at] !== carriageReturn) at++
  return at
}
