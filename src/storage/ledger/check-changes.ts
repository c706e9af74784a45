import type { LedgerBlock } from '../../ledger/format/block.ts'
import { formatPosition } from '../../ledger/format/position.ts'
import type { LedgerFinding } from '../../ledger/verify/finding.ts'
import { latestChangeIn } from './entry-change.ts'

/** Compares how far the changes of keys have come by the records with what else says so. */
export interface ChangesCheck {
  /** Called with each valid block. */
  readonly note: (block: LedgerBlock) => void
  /** A finding at the block that knows of the latest change so far. */
  readonly find: (kind: LedgerFinding['kind'], message: string) => LedgerFinding
  readonly end: (said: SaidChanges) => LedgerFinding | undefined
}

/** The number of the latest change, by what is not the records. */
export interface SaidChanges {
  /** What keeps it beside the records, for messages: `the file`. */
  readonly keeper: string
  /** Undefined where that is damaged. */
  readonly kept: number | undefined
  /** By the keys themselves; undefined in a deployment without keys. */
  readonly readStored: () => number | undefined
}

export function createChangesCheck(): ChangesCheck {
  let latest = 0
  let last: LedgerBlock | undefined

  function find(kind: LedgerFinding['kind'], message: string): LedgerFinding {
    const { id = 0, stream = '', firstSeq: seq = 1 } = last ?? {}
    const position = last === undefined ? null : formatPosition({ block: id, index: 0 })
    return { kind, stream, seq, position, message }
  }

  return {
    note(block) {
      const change = latestChangeIn(block)
      if (change <= latest) return
      latest = change
      last = block
    },
    find,
    end({ keeper, kept, readStored }) {
      if (kept === undefined)
        return find('index_changed', `the number of the latest change that ${keeper} keeps is damaged`)
      if (kept < latest)
        return find(
          'index_changed',
          `${keeper} keeps ${kept} as the number of the latest change, and its records know number ${latest}`,
        )
      const stored = readStored()
      if (stored === undefined || stored >= latest) return undefined
      return find(
        'keys_older',
        `the records are in order, and know change number ${latest} of the keys, whose last is number ${stored}: the keys were put back as they were before`,
      )
    },
  }
}
