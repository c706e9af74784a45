import type { UpstreamSettings } from '../gateway-settings.ts'
import type { Preset } from '../presets/preset.ts'
import type { Redact } from './redaction.ts'

/** What is sent to an upstream. */
export interface UpstreamRequest {
  readonly method: 'GET' | 'HEAD' | 'POST'
  /** The route's path, without the upstream's own. */
  readonly path: string
  /** Lower-case names; credential, host and length are the upstream's to add. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | undefined
}

/** Why an attempt failed. */
export type AttemptFailure =
  /** No connection, a certificate that is not trusted, or the breaker lets no call through. */
  | 'unreachable'
  /** The connection was closed, or what came was not HTTP. */
  | 'broken'
  | 'connect_timeout'
  | 'first_byte_timeout'
  | 'idle_timeout'
  | 'total_timeout'
  /** More calls at once than `connectionsMax`. */
  | 'overloaded'

export interface AttemptError {
  readonly failure: AttemptFailure
  /** Whether a byte of the answer's body had come. */
  readonly hasBegun: boolean
  /**
   * Whether a kept connection was closed within a second of the request, without a byte of a head:
   * it was closed as the request went out.
   */
  readonly isStale: boolean
  /** For the log; without credentials. */
  readonly message: string
}

/**
 * What becomes of an attempt: a head, pieces, then one end. Hears nothing before `send` has
 * returned. What it throws ends the process.
 */
export interface AttemptListener {
  /** The final head; 1xx are left out. Names are lower-case. */
  readonly onHead: (status: number, headers: Readonly<Record<string, string | readonly string[]>>) => void
  readonly onPiece: (piece: Buffer) => void
  readonly onEnd: () => void
  readonly onError: (error: AttemptError) => void
}

/** One try of a call at one upstream. */
export interface Attempt {
  /** Closes its connection, in whatever state it is; its listener hears nothing more. */
  readonly abort: () => void
  /**
   * Stops reading from the upstream until `resume`; a piece that was read already may still come.
   * Meanwhile neither the idle clock nor the first byte's runs; that of the whole attempt does.
   */
  readonly pause: () => void
  readonly resume: () => void
}

/** How an upstream stands, for operators. */
export interface UpstreamStatus {
  readonly name: string
  readonly preset: string
  /** Without a path's credentials: it can have none. */
  readonly url: string
  readonly state: 'closed' | 'open' | 'trying'
  /** Failures in a row. */
  readonly failures: number
  /** Seconds until the next try; 0 where it is not open. */
  readonly opensInSeconds: number
  readonly callsOpen: number
  /** Names that it lists itself; undefined where that is not known. */
  readonly models: readonly string[] | undefined
}

export interface AskOptions {
  /** Milliseconds from the question to the end of the answer. */
  readonly withinMs: number
  /** Largest answer, in bytes. */
  readonly bytesMax: number
  /** JSON, for a POST. @default it is a GET */
  readonly body?: Buffer
}

/** A whole answer of 2xx, or what kept it from coming. */
export type Answer =
  | { readonly body: Buffer }
  /** `isRefused`: it would say the same again, as 4xx do but 429. */
  | { readonly problem: string; readonly isRefused?: boolean }

/** Asks an upstream something of ours, beside all calls. Never rejects. */
export type AskUpstream = (path: string, options: AskOptions) => Promise<Answer>

/** A model server that calls are forwarded to. */
export interface Upstream {
  readonly settings: UpstreamSettings
  readonly preset: Preset
  /** Milliseconds until a call may try it: 0 where it may now. */
  readonly waitMs: () => number
  /** Begins an attempt. What the breaker learns of it, it learns by itself. */
  readonly send: (
    request: UpstreamRequest,
    listener: AttemptListener,
    /** When the first byte of the answer's body must have come, by the monotonic clock. */
    firstByteBy: number,
  ) => Attempt
  readonly ask: AskUpstream
  /**
   * The names that it lists, kept 30 s; an upstream that cannot be asked keeps the last ones, and
   * undefined is one that never could.
   *
   * @param isPatient whether to wait also for one that did not say them the last time. @default
   *   true
   */
  readonly models: (isPatient?: boolean) => Promise<readonly string[] | undefined>
  /** Takes its credential out of a text, by value: before that is cut, or told that it was. */
  readonly redact: Redact
  readonly status: () => UpstreamStatus
  readonly close: () => Promise<void>
}
