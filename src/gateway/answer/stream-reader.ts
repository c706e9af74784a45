import type { AnswerForm } from '../presets/preset.ts'

/** What an upstream says that a call used; undefined where it says nothing. */
export interface SaidUsage {
  readonly prompt: number | undefined
  readonly completion: number | undefined
  /** Tokens of the prompt that were read from a cache. */
  readonly cached?: number
  /** Tokens of the answer that were thought and not shown. */
  readonly reasoning?: number
}

export interface StreamReaderOptions {
  readonly form: AnswerForm
  /** By the answer's own content type. */
  readonly framing: 'sse' | 'ndjson'
  /** Whether the event with usage and no choices is taken out: the gateway asked for it. */
  readonly takesUsageOut: boolean
  /** Bytes of an event that are held until it is complete. @default 1 MiB */
  readonly eventBytesMax?: number
  /**
   * How many answers the call has. Each of llama.cpp's says its own end and usage: the last ends
   * the stream. @default 1
   */
  readonly answers?: number
  /** Whether each of the answers says its own usage, by its index. @default the last counts */
  readonly addsUsages?: boolean
}

/** What has come of an answer's text, for an estimate and for the output bound. */
export interface ReceivedContent {
  /** Events with text. */
  readonly contentEvents: number
  /** Bytes of that text in UTF-8. */
  readonly contentBytes: number
}

/** Reads a stream as it passes. Bytes go on in order and unchanged. */
export interface StreamReader extends ReceivedContent {
  /** Takes the next bytes. @returns what may leave now; nothing once the terminal event has come */
  readonly push: (chunk: Buffer) => readonly Buffer[]
  /**
   * The upstream has ended properly. A stream that broke is not ended: what is held of it is half
   * an event, behind which no error could be told.
   * @returns the incomplete event that was held
   */
  readonly end: () => readonly Buffer[]
  /** The terminal event, held back until the end is recorded. Undefined: it has not come. */
  readonly terminal: Buffer | undefined
  /** Whether the upstream said in its stream that it failed. */
  readonly hasFailed: boolean
  /**
   * Whether an event was larger than `eventBytesMax` and passed unread. It may have been the
   * terminal one: a stream that then ends without one need not be broken.
   */
  readonly isUnread: boolean
  readonly usage: SaidUsage | undefined
}
