import type { KeyEnvironment } from '../keys/key-text.ts'

/** Every setting of a deployment, read and checked. What each means to a user is in `settings.ts`. */
export interface Config {
  readonly data: string
  readonly host: string
  /** 0 means any free port. */
  readonly port: number
  readonly environment: KeyEnvironment
  readonly keyPrefix: string
  /** One or both, each once. */
  readonly scheme: readonly SchemeName[]
  readonly keyHeader: string
  readonly realm: string
  readonly invalidKeyStatus: 401 | 403
  /** Addresses and CIDR blocks. */
  readonly trustProxy: readonly string[]
  /** Bytes. */
  readonly bodyMax: number
  /** Bytes. */
  readonly batchBodyMax: number
  /** Bytes. */
  readonly headersMax: number
  /** Characters. */
  readonly textMax: number
  readonly cachedKeysMax: number
  /** Limits, each in its shortest form. */
  readonly limitDefault: readonly string[]
  /** Limits, each in its shortest form. */
  readonly limitEveryone: readonly string[]
  /** One window of requests in its shortest form, or `none`. */
  readonly limitBadKeys: string
  /** Paths of modules; none: the built-in model. */
  readonly model: readonly string[]
  /** Milliseconds. */
  readonly modelDeadline: number
  readonly modelThreads: number | 'auto'
  readonly queueMax: number
  readonly queueOwnerMax: number
  readonly jobWorkers: number | 'auto'
  readonly jobAttempts: number
  /** Milliseconds. */
  readonly jobKeep: number
  /** Milliseconds. */
  readonly jobLease: number
  /** Addresses and CIDR blocks. */
  readonly webhooksAllow: readonly string[]
  readonly webhooksAllowHttp: boolean
  /** Milliseconds. */
  readonly requestTimeout: number
  /** Milliseconds. */
  readonly shutdownGrace: number
  readonly ledgerMode: 'before' | 'after'
  readonly ledgerAddresses: 'whole' | 'truncated' | 'hashed' | 'none'
  /** Milliseconds, or for ever. */
  readonly ledgerKeep: number | 'forever'
  /** Bytes, or as many as there are. */
  readonly ledgerMax: number | 'unlimited'
  readonly docs: 'guarded' | 'open'
  readonly corsOrigins: readonly string[]
  readonly logLevel: LogLevel
  readonly logRequests: boolean
}

export type SchemeName = 'header' | 'bearer'

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'

export type SettingName = keyof Config

/** A setting's value as a configuration file holds it, which is also what its text in a flag or variable is read to. */
export type SettingInput = string | number | boolean | readonly string[]
