import { existsSync } from 'node:fs'
import type { LedgerIndexCheck } from '../../../ledger/verify/verify-ledger.ts'
import { createChangesCheck } from '../../ledger/check-changes.ts'
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
  const changes = createChangesCheck()

  // After the records: the keys are changed first, and recorded second.
  const readStored = (): number | undefined =>
    keysFile === undefined || !existsSync(keysFile) ? undefined : findStoredChange(keysFile)

  return {
    check(block) {
      const finding = index.check(block)
      if (finding === undefined) changes.note(block)
      return finding
    },
    end: () => index.end() ?? changes.end({ keeper: 'the file', kept: readKept(), readStored }),
  }
}
