import { randomBytes } from 'node:crypto'
import { firstLink } from '../../../ledger/format/chain.ts'
import { type LedgerCheckpoint, signCheckpoint } from '../../../ledger/format/checkpoint.ts'
import { encodeEntry } from '../../../ledger/format/encoding.ts'
import { ledgerEntry } from '../../../ledger/format/record.ts'
import type { SqliteDatabase } from '../database.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { inTransaction } from '../transaction.ts'
import { type WatchedFiles, watchFiles } from '../watched-files.ts'
import { type BlockTable, createBlockTable, type StreamDraft, type StreamHead } from './block-table.ts'
import type { ThreadCalls, WriterData, Written } from './calls.ts'
import { openLedgerDatabase } from './ledger-database.ts'
import { witnessOf } from './prior-heads.ts'

/** An open file, and the stream that this thread writes there. */
interface OpenStream {
  readonly database: SqliteDatabase
  readonly blocks: BlockTable
  readonly files: WatchedFiles
  readonly number: number
  readonly id: string
  head: StreamHead
  /** Whether `head` is what the file has: not known after a commit that failed. */
  isSure: boolean
  sinceCheckpoint: number
}

const busyTimeoutMs = 1_000

/**
 * The writing side of a ledger, as a thread runs it: a call is one transaction that is on the disk when it returns. One that throws has
 * written nothing, or nobody knows: the next goes on from what the file has. A file that could not be opened is tried again.
 */
export function createLedgerWriter(
  data: WriterData,
): Pick<ThreadCalls, 'open' | 'write' | 'checkpoint' | 'close'> {
  let open: OpenStream | undefined

  function use(now: number): { readonly stream: OpenStream; readonly opened: Written | undefined } {
    if (open !== undefined) return { stream: open, opened: undefined }
    const begun = openStream(data, now)
    open = begun.stream
    return { stream: begun.stream, opened: begun.written }
  }

  function commit(now: number, work: (draft: Draft) => void): Written {
    const { stream, opened } = use(now)
    const written = commitRecords(stream, data, now, work)
    return {
      ...written,
      checkpoints: [...(opened?.checkpoints ?? []), ...written.checkpoints],
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
): Written {
  // The open file goes on when its name is gone: what is written to it would be lost.
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
  const { seq, link } = draft.head()
  const hash = Buffer.from(link).toString('hex')
  const checkpoint = signCheckpoint({ stream, seq, hash, at }, signingKey)
  draft.add(encodeEntry(ledgerEntry({ at, event: 'ledger.checkpoint', detail: { ...checkpoint } })))
  return checkpoint
}

function emptyHead(stream: string): StreamHead {
  return { seq: 0, link: firstLink(stream) }
}

/** Opens the file and begins a stream there, which its first record and a checkpoint say. */
function openStream(data: WriterData, now: number): { stream: OpenStream; written: Written } {
  const database = openLedgerDatabase({ file: data.file, busyTimeoutMs })
  try {
    const id = randomBytes(16).toString('hex')
    const blocks = createBlockTable(database)
    const { before, unclosed } = witnessOf(database, blocks)
    const checkpoints: LedgerCheckpoint[] = []
    const insert = database.prepare<{ number: number }>(
      'INSERT INTO stream (id, opened_at) VALUES (?, ?) RETURNING number',
    )
    const { number, head } = inTransaction(database, () => {
      const number = insert.get(id, now)?.number ?? 0
      const draft = blocks.begin(number, emptyHead(id))
      const detail = { version: '1', before, unclosed }
      draft.add(encodeEntry(ledgerEntry({ at: now, event: 'ledger.opened', detail })))
      checkpoints.push(addCheckpoint(draft, id, now, data.signingKey))
      return { number, head: draft.finish() }
    })
    const files = watchFiles(data.file)
    const stream = { database, blocks, files, number, id, head, isSure: true, sinceCheckpoint: 0 }
    return { stream, written: { seq: head.seq, checkpoints, unclosed } }
  } catch (error) {
    database.close()
    throw setupErrorOf(error, data.file)
  }
}
