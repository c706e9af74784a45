import type { PresetName, RouteMethod } from './presets/preset.ts'

/** Where an upstream's credential stands: never in the configuration itself. */
export type CredentialSource = { readonly env: string } | { readonly file: string }

/** How much a call is taken to use before it is known. */
export interface TokenEstimates {
  /** Tokens for each byte of a body, at most. */
  readonly perByte: number
  /** Tokens that a chat template adds. */
  readonly template: number
  /** Tokens of an answer whose client has set no bound. */
  readonly output: number
  /** Tokens of an image. */
  readonly image: number
}

/** Longest waits of an attempt, in milliseconds. */
export interface UpstreamTimeouts {
  readonly connectMs: number
  /** From the first attempt to the first byte of an answer's body, all attempts together. */
  readonly firstByteMs: number
  /** Between two pieces of an answer, while the client reads. */
  readonly idleMs: number
  readonly totalMs: number
}

/**
 * When an upstream is left alone. A failure is a connection that fails, no first byte in time, and
 * 502, 503 and 504; not 500, which a single call may bring about.
 */
export interface BreakerSettings {
  /** Failures in a row that open it. */
  readonly failures: number
  readonly pauseMs: number
  readonly pauseMaxMs: number
}

/** A route that the operator opens or closes. */
export interface RouteSetting {
  readonly method: RouteMethod
  readonly path: string
  /** @default `predict`, or any `predict:…` */
  readonly scope?: string
}

/** One upstream, as the operator describes it. */
export interface UpstreamSettings {
  readonly name: string
  /** http or https, without user, query and fragment; its path comes before every route. */
  readonly url: string
  readonly preset: PresetName
  readonly key?: CredentialSource
  /** The header that carries the credential. @default `Authorization: Bearer` */
  readonly keyHeader?: string
  /** Where its routes are mounted: `/ollama`. @default at the root */
  readonly prefix?: string
  /** `any` that it lists itself, or those alone that `models` names. */
  readonly models: 'any' | 'listed'
  readonly allow: readonly RouteSetting[]
  readonly close: readonly RouteSetting[]
  readonly allowFields: readonly string[]
  readonly tokens: TokenEstimates
  /** What a call is charged whose client left, and whose usage is not known. */
  readonly abandoned: 'estimate' | 'reserved'
  readonly timeouts: UpstreamTimeouts
  /** How often the same upstream is asked again, before the first byte of an answer. */
  readonly retries: number
  readonly breaker: BreakerSettings
  /** What is asked each 10 s. Null: nothing. @default the preset's */
  readonly health?: string | null
  /** Most connections at once. */
  readonly connectionsMax: number
  /** A PEM file with the authorities that are trusted. @default the system's */
  readonly ca?: string
}

/** A public name, and what it means. */
export interface ModelSettings {
  readonly name: string
  /** Tried in order. */
  readonly to: readonly { readonly upstream: string; readonly model: string }[]
  /** For each key by itself, beside all others. */
  readonly limits: readonly string[]
  /** In the place of the upstream's `tokens.output`. */
  readonly output?: number
}

/** A gateway as the operator describes it. */
export interface GatewaySettings {
  readonly upstreams: readonly UpstreamSettings[]
  readonly models: readonly ModelSettings[]
  /** Largest body of a call, in bytes. */
  readonly bodyMax: number
  /** Largest whole answer held in memory, in bytes; a larger one goes out in pieces. */
  readonly answerMax: number
}
