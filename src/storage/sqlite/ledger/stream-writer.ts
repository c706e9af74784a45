import { randomBytes } from 'node:crypto'
import { firstChainHash, formatChainHash } from '../../../ledger/format/chain.ts'
import { type LedgerCheckpoint, signCheckpoint } from '../../../ledger/format/checkpoint.ts'
import { encodeEntry } from '../../../ledger/format/encoding.ts'
import { ledgerEntry } from '../../../ledger/format/record.ts'
import type { SqliteDatabase } from '../database.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { inTransaction } from '../transaction.ts'
import { type WatchedFiles, watchFiles } from '../watched-files.ts'
import { type BlockTable, createBlockTable, type StreamDraft, type StreamHead } from './block-table.ts'
import { openLedgerDatabase } from './ledger-database.ts'
import { priorHeadsOf } from './prior-heads.ts'
import type { Committed, LedgerThreadCalls, WriterData } from './threads.ts'

/** An open file, and the stream that this thread writes there. */
interface OpenStream {
  readonly database: SqliteDatabase
  readonly blocks: BlockTable
  readonly files: WatchedFiles
  readonly number: number
  readonly id: string
  head: StreamHead
  /** Whether `head` is that of the file: unknown after a failed commit. */
  isSure: boolean
  sinceCheckpoint: number
}

const busyTimeoutMs = 1_000

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
    open({ now }) {
      const { stream, opened } = use(now)
      return opened ?? { seq: stream.head.seq, checkpoints: [], unclosed: [] }
    },
    write: ({ entries, now }) =>
      commit(now, (draft) => {
        const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength)
        for (let at = 0; at < entries.length; ) {
          const end = at + 4 + view.getUint32(at, true)
          draft.add(entries.subarray(at + 4, end))
          at = end
        }
      }),
    checkpoint: ({ now }) => commit(now, (draft) => draft.checkpoint()),
    close({ now }) {
      if (open === undefined) return undefined
      const { database } = open
      try {
        return commit(now, (draft) => {
          draft.checkpoint()
          draft.add(encodeEntry(ledgerEntry({ at: now, event: 'ledger.closed' })))
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
    work({ add, checkpoint })
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

function emptyHead(stream: string): StreamHead {
  return { seq: 0, chainHash: firstChainHash(stream) }
}

/** Opens the file and begins a stream with its first record. */
function openStream(data: WriterData, now: number): { stream: OpenStream; committed: Committed } {
  const database = openLedgerDatabase({ file: data.file, busyTimeoutMs })
  try {
    const id = randomBytes(16).toString('hex')
    const blocks = createBlockTable(database)
    const { before, unclosed } = priorHeadsOf(database, blocks)
    const checkpoints: LedgerCheckpoint[] = []
    const insert = database.prepare<{ number: number }>(
      'INSERT INTO stream (id, opened_at) VALUES (?, ?) RETURNING number',
    )
    const { number, head } = inTransaction(database, () => {
      const number = insert.get(id, now)?.number ?? 0
      const draft = blocks.begin(number, emptyHead(id))
      const detail = { version: '1', before, unclosed }
      draft.add(encodeEntry(ledgerEntry({ at: now, event: 'ledger.opened', detail })))
      if (data.signsOpening) checkpoints.push(addCheckpoint(draft, id, now, data.signingKey))
      return { number, head: draft.finish() }
    })
    const files = watchFiles(data.file)
    const stream = { database, blocks, files, number, id, head, isSure: true, sinceCheckpoint: 0 }
    return { stream, committed: { seq: head.seq, checkpoints, unclosed } }
  } catch (error) {
    database.close()
    throw setupErrorOf(error, data.file)
  }
}
