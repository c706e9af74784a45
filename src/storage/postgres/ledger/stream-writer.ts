import { type KeyObject, randomBytes } from 'node:crypto'
import { Fault } from '../../../core/fault.ts'
import type { LedgerCheckpoint } from '../../../ledger/format/checkpoint.ts'
import { addEntries, emptyHead, type StreamHead } from '../../ledger/block-draft.ts'
import { draftOpening, draftRecords, type RecordsDraft } from '../../ledger/stream-records.ts'
import type { Postgres } from '../postgres.ts'
import { commitBlocks, commitStream, createCommitDraft, notDurable, readHead, tryCommit } from './commit.ts'
import { readPriorHeads } from './prior-heads.ts'

export interface StreamWriterOptions {
  /** Connects, or has done so. @throws Fault `ledger_unavailable`; SetupError; by rejecting */
  readonly connect: () => Promise<Postgres>
  readonly signingKey: KeyObject
  /** The process, by which others know whether its stream is still written. */
  readonly node: string
  readonly liveNodes: () => Promise<ReadonlySet<string>>
  /** Records after which a checkpoint is written within the same commit. */
  readonly checkpointRecords: number
  /**
   * Called when another node turns out to have taken this one for gone: it has closed the stream,
   * and ends the calls that were begun in it.
   */
  readonly onClosedElsewhere?: (() => void) | undefined
}

/** What a writer has committed. */
export interface Committed {
  /** The stream's last record. */
  readonly seq: number
  readonly checkpoints: readonly LedgerCheckpoint[]
  /** Streams of dead nodes that have no end; only in the first commit of the writer. */
  readonly unclosed: readonly string[]
}

/**
 * Writes a ledger, one commit after the other: the caller waits for each. After one that rejects it
 * is unknown whether it was written: the next goes on from what the database has.
 */
export interface LedgerWriter {
  /** Undefined if nothing was committed. */
  readonly open: (now: number) => Promise<Committed | undefined>
  /**
   * @param entries encoded, each behind its length
   * @param isLate whether they were meant for a stream that another node has closed; asked once it
   *   is known to which they would go
   */
  readonly write: (entries: Uint8Array, now: number, isLate: () => boolean) => Promise<Committed>
  readonly checkpoint: (now: number) => Promise<Committed>
  /** Ends the stream; undefined without one. */
  readonly end: (now: number) => Promise<Committed | undefined>
  /** Whether a commit would be durable now, without one that leaves a record. */
  readonly tryOut: () => Promise<void>
}

interface OpenStream {
  readonly id: string
  readonly number: number
  head: StreamHead
  /** Whether `head` is that of the database: unknown after a failed commit. */
  isSure: boolean
  since: number
}

/** How often a head may have moved on under a commit: a commit given up before may come late. */
const triesMax = 3

/** Writes one stream: the records of a process from its opening to its end. */
export function createStreamWriter(options: StreamWriterOptions): LedgerWriter {
  const { connect, signingKey, checkpointRecords } = options
  let stream: OpenStream | undefined
  /** What the opening of a stream came to, until a commit has told it. */
  let untold: Committed | undefined

  async function use(postgres: Postgres, now: number): Promise<OpenStream> {
    stream = await continueStream(postgres, stream, options)
    if (stream === undefined) {
      const begun = await beginStream(postgres, options, now)
      stream = begun.stream
      untold = begun.committed
    }
    return stream
  }

  function told(committed: Committed): Committed {
    const { checkpoints = [], unclosed = [] } = untold ?? {}
    untold = undefined
    return { ...committed, checkpoints: [...checkpoints, ...committed.checkpoints], unclosed }
  }

  async function commit(
    now: number,
    isClosed: boolean,
    work: (draft: RecordsDraft) => void,
  ): Promise<Committed> {
    const postgres = await connect()
    for (let tries = 0; tries < triesMax; tries += 1) {
      const open = await use(postgres, now)
      const draft = createCommitDraft(open.head)
      const context = { stream: open.id, now, signingKey }
      const { checkpoints, since } = draftRecords(
        draft,
        context,
        { since: open.since, checkpointRecords },
        work,
      )
      const head = draft.finish()
      open.isSure = false
      const row = { number: open.number, from: open.head.seq, head, now, isClosed }
      if (!(await commitBlocks(postgres, row, draft))) continue
      Object.assign(open, { head, since, isSure: true })
      return told({ seq: head.seq, checkpoints, unclosed: [] })
    }
    throw new Fault('ledger_unavailable', 'ledger: the head of its stream does not stay where it was')
  }

  return {
    async open(now) {
      const { head } = await use(await connect(), now)
      return told({ seq: head.seq, checkpoints: [], unclosed: [] })
    },
    write: (entries, now, isLate) =>
      commit(now, false, (draft) => {
        if (isLate()) throw new Fault('ledger_unavailable', 'ledger: another node has closed its stream')
        addEntries(entries, draft.add)
      }),
    checkpoint: (now) => commit(now, false, (draft) => draft.checkpoint()),
    async end(now) {
      if (stream === undefined) return undefined
      const ended = await commit(now, true, (draft) => {
        draft.checkpoint()
        draft.end()
      })
      stream = undefined
      return ended
    },
    async tryOut() {
      if (stream === undefined) throw new Fault('ledger_unavailable', 'ledger: its stream has not begun')
      await tryCommit(await connect(), stream.number)
    },
  }
}

/** The stream with the head that it has; undefined where another has to begin. */
async function continueStream(
  postgres: Postgres,
  stream: OpenStream | undefined,
  { onClosedElsewhere }: StreamWriterOptions,
): Promise<OpenStream | undefined> {
  if (stream === undefined || stream.isSure) return stream
  const found = await readHead(postgres, stream.id)
  if (found?.isClosed === true) {
    onClosedElsewhere?.()
    return undefined
  }
  // A database that was put back to an earlier state would have two records of one number.
  if (found === undefined || found.head.seq < stream.head.seq) return undefined
  stream.head = found.head
  stream.isSure = true
  return stream
}

/** Begins a stream with its first record, and a checkpoint. */
async function beginStream(
  postgres: Postgres,
  { signingKey, node, liveNodes }: StreamWriterOptions,
  now: number,
): Promise<{ readonly stream: OpenStream; readonly committed: Committed }> {
  const prior = await readPriorHeads(postgres, await liveNodes())
  const id = randomBytes(16).toString('hex')
  const draft = createCommitDraft(emptyHead(id))
  const checkpoint = draftOpening(draft, { stream: id, now, signingKey }, prior)
  const head = draft.finish()
  const isWritten = await commitStream(postgres, { id, node, head, now, isClosed: false }, draft)
  const stored = isWritten ? await readHead(postgres, id) : undefined
  if (stored === undefined) throw notDurable()
  const stream = { id, number: stored.number, head: stored.head, isSure: true, since: 0 }
  return { stream, committed: { seq: head.seq, checkpoints: [checkpoint], unclosed: prior.unclosed } }
}
