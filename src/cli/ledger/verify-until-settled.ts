import type { LedgerVerification } from '../../ledger/verify/verify-ledger.ts'

export interface SettledVerification {
  /** Verifies all of it, from the bases that are there when it begins. */
  readonly verify: () => LedgerVerification
  /** A text that changes with every drop. */
  readonly readBases: () => string
}

/**
 * Verifies a ledger that retention may shorten meanwhile: blocks that it dropped under the reader are missing, and the base that stands for
 * them is new. So a finding counts where nothing was dropped, or where it is found a second time: from the new bases, what was dropped is
 * not missing any more.
 */
export function verifyUntilSettled({ verify, readBases }: SettledVerification): LedgerVerification {
  for (let before: string | undefined; ; ) {
    const bases = readBases()
    const result = verify()
    if (result.firstBroken === undefined || readBases() === bases) return result
    const found = JSON.stringify(result.firstBroken)
    if (found === before) return result
    before = found
  }
}
