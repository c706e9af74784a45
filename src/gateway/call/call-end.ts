import type { Fault } from '../../core/fault.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { ChargedBy } from './charge.ts'

/** Why a call ended before its answer was whole. */
export type EndReason =
  | 'client'
  | 'upstream'
  | 'idle'
  | 'total'
  | 'overran'
  | 'revoked'
  | 'shutdown'
  | 'ledger'

/** How a call ends. */
export interface CallEnd {
  readonly charge: ChargedBy
  readonly reason?: EndReason
  readonly problem?: Refusal | Fault
  /** The client has gone: no answer waits for its record. */
  readonly isAborted?: boolean
}
