/** How large the write-ahead log of a ledger may become. */
export interface LogBounds {
  /** From so many frames (a page each, 4 KiB) on commits wait until it begins anew: under an unbroken load it never would by itself. */
  readonly framesMax: number
  /** From so many bytes on its file is cut back: commits are faster where it need not grow, so otherwise it stays as it is. */
  readonly bytesMax: number
}

const frameBytes = 4_096
const MiB = 2 ** 20

/**
 * 32 MiB, and 256 MiB of a file; less beside a ledger with a maximum, so that a small one does not have a log of several times its size:
 * a quarter of the maximum, and half of it as a file. What a second's commits bring comes on top: that often it is looked after.
 *
 * @param ledgerMax the most bytes of the ledger
 */
export function logBoundsOf(ledgerMax: number = Number.POSITIVE_INFINITY): LogBounds {
  const begun = Math.min(Math.max(ledgerMax / 4, 4 * MiB), 32 * MiB)
  const kept = Math.min(Math.max(ledgerMax / 2, 16 * MiB), 256 * MiB)
  return { framesMax: Math.floor(begun / frameBytes), bytesMax: Math.floor(kept) }
}
