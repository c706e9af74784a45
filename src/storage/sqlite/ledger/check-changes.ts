import { existsSync } from 'node:fs'
import type { LedgerBlock } from '../../../ledger/format/block.ts'
import { formatPosition } from '../../../ledger/format/position.ts'
import type { LedgerFinding } from '../../../ledger/verify/finding.ts'
import type { LedgerIndexCheck } from '../../../ledger/verify/verify-ledger.ts'
import { latestChangeIn } from '../../ledger/entry-change.ts'
import { findStoredChange } from '../keys/stored-change.ts'

/**
 * Checks with the index how far the records say that changes of keys have come: what the file keeps
 * of that beside them, and the keys themselves, must have come as far.
 *
 * @param readKept what the file keeps beside its records
 * @param keysFile undefined: there are no keys to compare with
 */
export function checkChanges(
  index: LedgerIndexCheck,
  readKept: () => number | undefined,
  keysFile: string | undefined,
): LedgerIndexCheck {
  let latest = 0
  let last: LedgerBlock | undefined

  function found(kind: LedgerFinding['kind'], message: string): LedgerFinding {
    const { id = 0, stream = '', firstSeq: seq = 1 } = last ?? {}
    const position = last === undefined ? null : formatPosition({ block: id, index: 0 })
    return { kind, stream, seq, position, message }
  }

  function end(): LedgerFinding | undefined {
    const kept = readKept()
    if (kept === undefined)
      return found('index_changed', 'the number of the latest change that the file keeps is damaged')
    if (kept < latest)
      return found(
        'index_changed',
        `the file keeps ${kept} as the number of the latest change, and its records know number ${latest}`,
      )
    // After the records: the keys are changed first, and recorded second.
    const stored = keysFile === undefined || !existsSync(keysFile) ? undefined : findStoredChange(keysFile)
    if (stored === undefined || stored >= latest) return undefined
    return found(
      'keys_older',
      `the records are in order, and know change number ${latest} of the keys, whose last is number ${stored}: the keys were put back as they were before`,
    )
  }

  return {
    check(block) {
      const finding = index.check(block)
      if (finding !== undefined) return finding
      const change = latestChangeIn(block)
      if (change > latest) {
        latest = change
        last = block
      }
      return undefined
    },
    end: () => index.end() ?? end(),
  }
}
