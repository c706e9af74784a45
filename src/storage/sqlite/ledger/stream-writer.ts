import { addEntries, emptyHead, type StreamHead } from '../../ledger/block-draft.ts'
import { draftOpening, draftRecords, type RecordsDraft } from '../../ledger/stream-records.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { inTransaction } from '../transaction.ts'
import { type LedgerFile, openLedgerFile } from './ledger-file.ts'
import { priorHeadsOf } from './prior-heads.ts'
import type { Committed, LedgerThreadCalls, WriterData } from './threads.ts'

/** An open file, and the stream that this thread writes there. */
interface OpenStream extends LedgerFile {
  readonly number: number
  readonly id: string
  head: StreamHead
  /** Whether `head` is that of the file: unknown after a failed commit. */
  isSure: boolean
  sinceCheckpoint: number
}

/**
 * Writes one stream of a ledger, as a thread. A call is one transaction, on the disk when it
 * returns. After one that throws it is unknown whether it was written: the next goes on from what
 * the file has. A file that could not be opened is tried again.
 */
export function createStreamWriter(
  data: WriterData,
): Pick<LedgerThreadCalls, 'open' | 'write' | 'checkpoint' | 'close'> {
  let open: OpenStream | undefined

  function use(now: number): { readonly stream: OpenStream; readonly opened: Committed | undefined } {
    if (open !== undefined) return { stream: open, opened: undefined }
    const begun = openStream(data, now)
    open = begun.stream
    return { stream: begun.stream, opened: begun.committed }
  }

  function commit(now: number, work: (draft: RecordsDraft) => void): Committed {
    const { stream, opened } = use(now)
    const committed = commitRecords(stream, data, now, work)
    return {
      ...committed,
      checkpoints: [...(opened?.checkpoints ?? []), ...committed.checkpoints],
      unclosed: opened?.unclosed ?? [],
    }
  }

  return {
    open: ({ now }) => use(now).opened,
    write: ({ entries, now }) => commit(now, (draft) => addEntries(entries, draft.add)),
    checkpoint: ({ now }) => commit(now, (draft) => draft.checkpoint()),
    close({ now }) {
      if (open === undefined) return undefined
      const { database } = open
      try {
        return commit(now, (draft) => {
          draft.checkpoint()
          draft.end()
        })
      } finally {
        open = undefined
        database.close()
      }
    },
  }
}

/** One transaction. */
function commitRecords(
  stream: OpenStream,
  { signingKey, checkpointRecords }: WriterData,
  now: number,
  work: (draft: RecordsDraft) => void,
): Committed {
  // A file whose name is gone stays open: what is written to it would be lost.
  stream.files.check()
  if (!stream.isSure) stream.head = stream.blocks.findHead(stream.number) ?? emptyHead(stream.id)
  stream.isSure = false
  const { head, checkpoints, since } = inTransaction(stream.database, () => {
    const draft = stream.blocks.begin(stream.number, stream.head)
    const context = { stream: stream.id, now, signingKey }
    const drafted = draftRecords(draft, context, { since: stream.sinceCheckpoint, checkpointRecords }, work)
    return { ...drafted, head: draft.finish() }
  })
  stream.head = head
  stream.isSure = true
  stream.sinceCheckpoint = since
  return { seq: head.seq, checkpoints, unclosed: [] }
}

/** Opens the file and begins a stream with its first record, and a checkpoint. */
function openStream(
  { file, signingKey }: WriterData,
  now: number,
): { stream: OpenStream; committed: Committed } {
  const opened = openLedgerFile(file)
  const { database, blocks, begin } = opened
  try {
    const prior = priorHeadsOf(database, blocks)
    const { id, number, checkpoint, head } = inTransaction(database, () => {
      const { id, number, draft } = begin(now)
      const checkpoint = draftOpening(draft, { stream: id, now, signingKey }, prior)
      return { id, number, checkpoint, head: draft.finish() }
    })
    const stream = { ...opened, number, id, head, isSure: true, sinceCheckpoint: 0 }
    return { stream, committed: { seq: head.seq, checkpoints: [checkpoint], unclosed: prior.unclosed } }
  } catch (error) {
    database.close()
    throw setupErrorOf(error, file)
  }
}
