import { formatChainHash } from '../../../ledger/format/chain.ts'
import { type LedgerCheckpoint, signCheckpoint } from '../../../ledger/format/checkpoint.ts'
import { encodeEntry } from '../../../ledger/format/encoding.ts'
import { ledgerEntry } from '../../../ledger/format/record.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { inTransaction } from '../transaction.ts'
import type { StreamDraft, StreamHead } from './block-table.ts'
import { addEntries, emptyHead, type LedgerFile, openLedgerFile } from './ledger-file.ts'
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

  function commit(now: number, work: (draft: Draft) => void): Committed {
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
          draft.end(encodeEntry(ledgerEntry({ at: now, event: 'ledger.closed' })))
        })
      } finally {
        open = undefined
        database.close()
      }
    },
  }
}

interface Draft {
  readonly add: (entry: Uint8Array) => void
  readonly checkpoint: () => void
  /** Adds the last record: no checkpoint comes after it. */
  readonly end: (entry: Uint8Array) => void
}

/** One transaction. */
function commitRecords(
  stream: OpenStream,
  { signingKey, checkpointRecords }: WriterData,
  now: number,
  work: (draft: Draft) => void,
): Committed {
  // A file whose name is gone stays open: what is written to it would be lost.
  stream.files.check()
  if (!stream.isSure) stream.head = stream.blocks.findHead(stream.number) ?? emptyHead(stream.id)
  stream.isSure = false
  const checkpoints: LedgerCheckpoint[] = []
  let since = stream.sinceCheckpoint
  const head = inTransaction(stream.database, () => {
    const draft = stream.blocks.begin(stream.number, stream.head)
    const checkpoint = (): void => {
      checkpoints.push(addCheckpoint(draft, stream.id, now, signingKey))
      since = 0
    }
    const add = (entry: Uint8Array): void => {
      draft.add(entry)
      since += 1
      if (since >= checkpointRecords) checkpoint()
    }
    work({ add, checkpoint, end: draft.add })
    return draft.finish()
  })
  stream.head = head
  stream.isSure = true
  stream.sinceCheckpoint = since
  return { seq: head.seq, checkpoints, unclosed: [] }
}

function addCheckpoint(
  draft: StreamDraft,
  stream: string,
  at: number,
  signingKey: WriterData['signingKey'],
): LedgerCheckpoint {
  const { seq, chainHash } = draft.head()
  const hash = formatChainHash(chainHash)
  const checkpoint = signCheckpoint({ stream, seq, hash, at }, signingKey)
  draft.add(encodeEntry(ledgerEntry({ at, event: 'ledger.checkpoint', detail: { ...checkpoint } })))
  return checkpoint
}

/** Opens the file and begins a stream with its first record, and a checkpoint. */
function openStream(
  { file, signingKey }: WriterData,
  now: number,
): { stream: OpenStream; committed: Committed } {
  const opened = openLedgerFile(file)
  const { database, blocks, begin } = opened
  try {
    const { before, unclosed } = priorHeadsOf(database, blocks)
    const { id, number, checkpoint, head } = inTransaction(database, () => {
      const { id, number, draft } = begin(now)
      const detail = { version: '1', before, unclosed }
      draft.add(encodeEntry(ledgerEntry({ at: now, event: 'ledger.opened', detail })))
      return { id, number, checkpoint: addCheckpoint(draft, id, now, signingKey), head: draft.finish() }
    })
    const stream = { ...opened, number, id, head, isSure: true, sinceCheckpoint: 0 }
    return { stream, committed: { seq: head.seq, checkpoints: [checkpoint], unclosed } }
  } catch (error) {
    database.close()
    throw setupErrorOf(error, file)
  }
}
