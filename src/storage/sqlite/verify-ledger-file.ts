import { existsSync } from 'node:fs'
import { SetupError } from '../../core/setup-error.ts'
import type { LedgerBlock } from '../../ledger/format/block.ts'
import { type LedgerVerification, verifyLedger } from '../../ledger/verify/verify-ledger.ts'
import type { LedgerTrust } from '../storage.ts'
import { checkChanges } from './ledger/check-changes.ts'
import { openLedgerBlocks } from './ledger/stored-blocks.ts'
import { createLedgerThread } from './ledger/threads.ts'
import { setupErrorOf } from './sqlite-error.ts'

/**
 * Verifies a ledger's file, and then the sums of usage beside it. Those are summed up once more in
 * a thread of their own while this one verifies: it takes as long.
 *
 * @param keysFile the keys whose changes the ledger records; a copy of a ledger has none beside it
 * @throws SetupError as `openLedgerBlocks`; Fault `ledger_unavailable` for sums that cannot be read
 */
export async function verifyLedgerFile(
  file: string,
  trust: LedgerTrust,
  keysFile?: string,
): Promise<LedgerVerification> {
  if (!existsSync(file)) throw new SetupError('data_missing', `${file}: there is no such file`)
  const stop = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
  const thread = createLedgerThread({ role: 'usage-check', file, stop })
  const usage = thread.ask('checkUsage', undefined)
  // Its failure counts only where the records are in order.
  usage.catch(() => undefined)
  try {
    const result = verifyRecords(file, trust, keysFile)
    if (result.firstBroken !== undefined) return result
    const { finding, notes } = await usage
    return { ...result, firstBroken: finding, notes: [...result.notes, ...notes] }
  } finally {
    Atomics.store(new Int32Array(stop), 0, 1)
    await thread.close({ now: 0 }).catch(() => undefined)
  }
}

function verifyRecords(
  file: string,
  { onProgress, ...trust }: LedgerTrust,
  keysFile: string | undefined,
): LedgerVerification {
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
          index: checkChanges(ledger.checkIndex(), ledger.latestChange, keysFile),
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
