import { draftWholeStream } from '../../ledger/stream-records.ts'
import { inTransaction } from '../transaction.ts'
import { type LedgerFile, openLedgerFile } from './ledger-file.ts'
import { priorHeadsOf } from './prior-heads.ts'
import type { Committed, LedgerThreadCalls, WriterData } from './threads.ts'

/**
 * Writes a ledger as a thread, each commit a stream of its own: its entries and a signed end. A
 * process that is killed leaves whole streams, so none of its records is ever without a signature,
 * and one record does what `ledger.opened`, `ledger.checkpoint` and `ledger.closed` do in the
 * stream of a server, whose end is not known when it begins.
 *
 * After a call that throws it is unknown whether it was written. A file that could not be opened is
 * tried again.
 */
export function createWholeStreamWriter({
  file,
  signingKey,
}: WriterData): Pick<LedgerThreadCalls, 'open' | 'write' | 'checkpoint' | 'close'> {
  let open: LedgerFile | undefined
  let hasTold = false

  function commit(entries: Uint8Array, now: number): Committed {
    open ??= openLedgerFile(file)
    const { database, blocks, files, begin } = open
    // A file whose name is gone stays open: what is written to it would be lost.
    files.check()
    const prior = priorHeadsOf(database, blocks)
    const { seq, whole } = inTransaction(database, () => {
      const { id: stream, draft } = begin(now)
      const whole = draftWholeStream(draft, { stream, now, signingKey }, prior, entries)
      return { seq: draft.finish().seq, whole }
    })
    const unclosed = hasTold ? [] : prior.unclosed
    hasTold = true
    return { seq, checkpoints: [whole], unclosed }
  }

  return {
    open() {
      open ??= openLedgerFile(file)
      return undefined
    },
    write: ({ entries, now }) => commit(entries, now),
    checkpoint: ({ now }) => commit(new Uint8Array(), now),
    close() {
      open?.database.close()
      open = undefined
      return undefined
    },
  }
}
