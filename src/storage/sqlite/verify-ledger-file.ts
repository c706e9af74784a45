import { existsSync } from 'node:fs'
import { SetupError } from '../../core/setup-error.ts'
import type { LedgerBlock } from '../../ledger/format/block.ts'
import { type LedgerVerification, verifyLedger } from '../../ledger/verify/verify-ledger.ts'
import type { LedgerTrust } from '../storage.ts'
import { openLedgerBlocks } from './ledger/stored-blocks.ts'
import { setupErrorOf } from './sqlite-error.ts'

/** @throws SetupError as `openLedgerBlocks` */
export function verifyLedgerFile(file: string, { onProgress, ...trust }: LedgerTrust): LedgerVerification {
  if (!existsSync(file)) throw new SetupError('data_missing', `${file}: there is no such file`)
  const ledger = openLedgerBlocks(file)
  const blocks = onProgress === undefined ? ledger.blocks : () => withProgress(ledger.blocks(), onProgress)
  try {
    return verifyUntilSettled({
      readBases: () => JSON.stringify(ledger.truncationPoints()),
      verify: () =>
        verifyLedger(blocks(), {
          ...trust,
          truncationPoints: ledger.truncationPoints(),
          streams: ledger.streams().map(({ id }) => id),
          index: ledger.checkIndex(),
        }),
    })
  } catch (error) {
    throw setupErrorOf(error, file)
  } finally {
    ledger.close()
  }
}

export interface SettledVerification {
  /** Verifies all of it, from the bases that are there when it begins. */
  readonly verify: () => LedgerVerification
  /** A text that changes with every drop. */
  readonly readBases: () => string
}

/**
 * Verifies a ledger that retention may shorten meanwhile. Blocks dropped under the reader are
 * missing, and the base that stands for them is new. So a finding counts if nothing was dropped, or
 * if it is found a second time: from the new bases, dropped blocks are not missing any more.
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

const progressMs = 500

function* withProgress(
  blocks: Iterable<LedgerBlock>,
  report: (records: number) => void,
): Generator<LedgerBlock, void, undefined> {
  let records = 0
  let next = performance.now() + progressMs
  for (const block of blocks) {
    yield block
    records += block.count
    if (performance.now() < next) continue
    report(records)
    next = performance.now() + progressMs
  }
}
