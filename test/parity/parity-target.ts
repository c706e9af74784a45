import type { OwnerService } from '../../src/keys/owners/owner-service.ts'
import type { KeyFormat } from '../../src/keys/record/key-text.ts'
import type { KeyService } from '../../src/keys/service/key-service.ts'
import type { LedgerRecord } from '../../src/ledger/format/record.ts'

/**
 * What runs the table of `parity.md`: the server, or an app behind an adapter that answers `POST
 * /predict`.
 */
export interface ParityTarget {
  readonly port: number
  /** The keys of the target's own store. */
  readonly keys: KeyService
  readonly owners: OwnerService
  readonly format: KeyFormat
  /** Milliseconds since the epoch, as the target's clock tells; move it. */
  readonly time: { now: number }
  /** Every text the model was called with, in order. */
  readonly predicted: readonly string[]
  /** What the model does next. */
  readonly model: { does: 'answer' | 'throw' | 'hang' | 'work until aborted' }
  /** Everything logged so far, at the level `trace`. */
  readonly logText: () => string
  /** Everything recorded so far, the oldest first. */
  readonly records: () => Promise<readonly LedgerRecord[]>
  /** Has the target hear, now, what was changed about keys. */
  readonly hear: () => Promise<void>
  readonly close: () => Promise<void>
}

export interface TargetOptions {
  /** @default ['header'] */
  readonly schemes?: readonly ('header' | 'bearer')[]
  readonly invalidKeyStatus?: 401 | 403
  readonly corsOrigins?: readonly string[]
  readonly docs?: 'guarded' | 'open'
  readonly modelDeadline?: number
  readonly requestTimeout?: number
  readonly limitDefault?: readonly string[]
  readonly limitEveryone?: readonly string[]
  readonly limitBadKeys?: string
}

/** Starts a target on a free port of the loopback address, over a store of its own. */
export type StartTarget = (options?: TargetOptions) => Promise<ParityTarget>
