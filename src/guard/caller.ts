import type { KeyRecord } from '../keys/record/key-record.ts'
import type { KeyEnvironment } from '../keys/record/key-text.ts'

/**
 * Who a request turned out to be, as proven by the key it presented. Never holds the secret.
 * Frozen.
 */
export interface Caller {
  readonly keyId: string
  readonly name: string
  readonly owner: string
  readonly environment: KeyEnvironment
  readonly scopes: readonly string[]
  readonly metadata: Readonly<Record<string, unknown>>
}

/**
 * The caller; null is possible where a scheme lets the absence of a key pass (`autoError: false`).
 */
export type CallerOf<Required extends boolean> = Required extends true ? Caller : Caller | null

/** The caller that a key stands for. */
export function callerOf(key: KeyRecord): Caller {
  return Object.freeze({
    keyId: key.id,
    name: key.name,
    owner: key.owner,
    environment: key.environment,
    scopes: key.scopes,
    metadata: key.metadata,
  })
}
