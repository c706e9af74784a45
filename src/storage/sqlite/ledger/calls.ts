import type { KeyObject } from 'node:crypto'
import type { LedgerCheckpoint } from '../../../ledger/format/checkpoint.ts'
import type { LedgerPage, LedgerQuery, UsageQuery, UsageRow } from '../../../ledger/ledger.ts'

/** What oldest records are dropped for. Both may be given: whichever is passed first. */
export interface LedgerRetention {
  /** Milliseconds. */
  readonly ageMs?: number
  /** Of the database file, without its write-ahead log. */
  readonly bytes?: number
}

/** What a thread is started with. */
export type ThreadData = WriterData | KeeperData | ReaderData

export interface WriterData {
  readonly role: 'writer'
  readonly file: string
  readonly signingKey: KeyObject
  /** Records after which a checkpoint is written within the same commit. */
  readonly checkpointRecords: number
}

export interface KeeperData {
  readonly role: 'keeper'
  readonly file: string
  readonly signingKey: KeyObject
  readonly retention: LedgerRetention
}

export interface ReaderData {
  readonly role: 'reader'
  readonly file: string
}

/** What a writer has committed. */
export interface Written {
  /** The stream's last record. */
  readonly seq: number
  readonly checkpoints: readonly LedgerCheckpoint[]
  /** Streams of others that have no end; told once, with the opening. */
  readonly unclosed: readonly string[]
}

/** Encoded entries, one after the other, each behind its length in four bytes, the lowest first. */
export interface Batch {
  readonly entries: Uint8Array<ArrayBuffer>
}

/** The calls of the three threads. `now` is milliseconds since the epoch: a clock cannot be handed to a thread. */
export interface ThreadCalls {
  readonly open: (call: { readonly now: number }) => Written
  readonly write: (call: Batch & { readonly now: number }) => Written
  readonly checkpoint: (call: { readonly now: number }) => Written
  readonly tend: (call: { readonly now: number }) => Tended
  readonly query: (call: LedgerQuery) => LedgerPage
  readonly usage: (call: UsageQuery) => readonly UsageRow[]
  /** Ends the thread's work; a writer ends its stream. */
  readonly close: (call: { readonly now: number }) => Written | undefined
}

export interface Tended {
  /** Records that were dropped, and the last block that went; undefined where none were. */
  readonly dropped: { readonly records: number; readonly until: number } | undefined
}
