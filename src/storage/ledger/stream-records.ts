import type { KeyObject } from 'node:crypto'
import { formatChainHash } from '../../ledger/format/chain.ts'
import {
  type LedgerCheckpoint,
  type PriorHeads,
  signCheckpoint,
  signStreamEnd,
} from '../../ledger/format/checkpoint.ts'
import { encodeEntry } from '../../ledger/format/encoding.ts'
import { ledgerEntry } from '../../ledger/format/record.ts'
import { addEntries, type StreamDraft } from './block-draft.ts'

/** What a writer's own records are made of. */
export interface RecordsContext {
  /** The stream's id, 32 hex digits. */
  readonly stream: string
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly signingKey: KeyObject
}

/** The records of one commit of a stream, with a checkpoint wherever one is due. */
export interface RecordsDraft {
  readonly add: (entry: Uint8Array) => void
  readonly checkpoint: () => void
  /** Adds the last record: no checkpoint comes after it. */
  readonly end: () => void
}

/** What a commit's records came to. */
export interface DraftedRecords {
  readonly checkpoints: readonly LedgerCheckpoint[]
  /** Records since the last checkpoint. */
  readonly since: number
}

/**
 * Adds the records of a commit.
 *
 * @param since records since the last checkpoint before
 * @param checkpointRecords after how many of them there is one
 */
export function draftRecords(
  draft: StreamDraft,
  context: RecordsContext,
  { since: before, checkpointRecords }: { readonly since: number; readonly checkpointRecords: number },
  work: (draft: RecordsDraft) => void,
): DraftedRecords {
  const checkpoints: LedgerCheckpoint[] = []
  let since = before
  const checkpoint = (): void => {
    checkpoints.push(addCheckpoint(draft, context))
    since = 0
  }
  work({
    add(entry) {
      draft.add(entry)
      since += 1
      if (since >= checkpointRecords) checkpoint()
    },
    checkpoint,
    end: () => draft.add(encodeEntry(ledgerEntry({ at: context.now, event: 'ledger.closed' }))),
  })
  return { checkpoints, since }
}

function addCheckpoint(
  draft: StreamDraft,
  { stream, now: at, signingKey }: RecordsContext,
): LedgerCheckpoint {
  const { seq, chainHash } = draft.head()
  const hash = formatChainHash(chainHash)
  const checkpoint = signCheckpoint({ stream, seq, hash, at }, signingKey)
  draft.add(encodeEntry(ledgerEntry({ at, event: 'ledger.checkpoint', detail: { ...checkpoint } })))
  return checkpoint
}

/** Adds a stream's first record, which states the heads of others, and a checkpoint. */
export function draftOpening(
  draft: StreamDraft,
  context: RecordsContext,
  { before, unclosed }: PriorHeads,
): LedgerCheckpoint {
  const detail = { version: '1', before, unclosed }
  draft.add(encodeEntry(ledgerEntry({ at: context.now, event: 'ledger.opened', detail })))
  return addCheckpoint(draft, context)
}

/**
 * Adds a whole stream: its entries and a signed end. Returns a checkpoint that vouches for the end
 * too, to be stored elsewhere.
 */
export function draftWholeStream(
  draft: StreamDraft,
  { stream, now: at, signingKey }: RecordsContext,
  prior: PriorHeads,
  entries: Uint8Array,
): LedgerCheckpoint {
  addEntries(entries, draft.add)
  const { seq, chainHash } = draft.head()
  const stated = { stream, seq, hash: formatChainHash(chainHash), at, ...prior }
  const detail = { ...signStreamEnd(stated, signingKey) }
  draft.add(encodeEntry(ledgerEntry({ at, event: 'ledger.closed', detail })))
  const head = draft.head()
  return signCheckpoint({ stream, seq: head.seq, hash: formatChainHash(head.chainHash), at }, signingKey)
}
