/**
 * How a ledger is broken, as far as can be seen from what is left: see `docs/reference/ledger.md`.
 */
export type LedgerBreak =
  | 'record_changed'
  | 'records_removed'
  | 'start_removed'
  | 'tail_missing'
  | 'records_reordered'
  | 'record_inserted'
  | 'record_duplicated'
  | 'history_rewritten'
  | 'checkpoint_invalid'
  | 'key_untrusted'
  | 'undecodable'
  | 'block_changed'
  | 'index_changed'
  | 'usage_changed'
  | 'keys_older'
  | 'history_arriving'

/** The first thing that is wrong with a ledger. */
export interface LedgerFinding {
  readonly kind: LedgerBreak
  /** 32 hex digits. */
  readonly stream: string
  /** Number of the record that belongs at the break, or that is wrong. */
  readonly seq: number
  /** `position` of the record that stands there; null if none does. */
  readonly position: string | null
  /** One sentence, for people. */
  readonly message: string
}

/** `record 7`, or `records 7 to 9`. */
export function numbered(first: number, count: number): string {
  return count === 1 ? `record ${first}` : `records ${first} to ${first + count - 1}`
}
