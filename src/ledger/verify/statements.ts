import type { LedgerCheckpoint } from '../format/checkpoint.ts'
import { linkText } from '../format/ledger-link.ts'
import type { LedgerEntry } from '../format/record.ts'
import { type CheckpointTrust, parseBase, parseCheckpoint } from './checkpoint-trust.ts'
import type { LedgerFinding } from './finding.ts'
import { checkpointMismatch, historyRewritten, tailMissing, witnessesOf } from './prior-heads.ts'
import { type RecentLinks, recentLinksMax } from './recent-hashes.ts'
import type { LedgerStreams, StreamState } from './streams.ts'

/** A record whose link fits, and where its stream stands. */
export interface StatedRecord {
  readonly seq: number
  readonly position: string
  readonly state: StreamState
  readonly recent: RecentLinks
}

/** Compares what records say of chains with the chains. */
export interface LedgerStatements {
  /** A checkpoint in the ledger. */
  readonly checkpoint: (entry: LedgerEntry, record: StatedRecord) => LedgerFinding | undefined
  /** A stream's first record, which may say how far those before it had come: so it vouches for their end. */
  readonly opening: (entry: LedgerEntry, record: StatedRecord) => LedgerFinding | undefined
  readonly sums: () => StatementSums
}

export interface StatementSums {
  readonly checkpoints: number
  readonly lastCheckpoint: LedgerCheckpoint | undefined
}

export function createLedgerStatements(streams: LedgerStreams, trust: CheckpointTrust): LedgerStatements {
  let checkpoints = 0
  let lastCheckpoint: LedgerCheckpoint | undefined
  return {
    checkpoint: ({ detail }, record) => {
      const { seq, state, recent } = record
      const stated = parseCheckpoint(detail)
      if (stated === undefined) {
        const why =
          parseBase(detail) === undefined
            ? 'it states nothing that can be read'
            : 'it is a base, which is no checkpoint'
        return notRight(record, 'checkpoint_invalid', why)
      }
      const fault = trust.faultOf(stated)
      if (fault !== undefined) return notRight(record, fault.kind, fault.message)
      if (stated.stream !== state.id || stated.seq >= seq || stated.seq < seq - recentLinksMax)
        return notRight(record, 'checkpoint_invalid', 'it is not of the records right before it')
      const link = recent.at(stated.seq)
      // Writers state the record right before. Not to mind would be a way around every checkpoint: blocks of other streams can be moved.
      if (link === undefined) return notRight(record, 'checkpoint_invalid', outOfSight(stated.seq))
      if (link !== linkText(Buffer.from(stated.hash, 'hex')))
        return checkpointMismatch(stated, record.position)
      state.signedSeq = seq
      checkpoints += 1
      lastCheckpoint = stated
      return undefined
    },
    opening: ({ detail }, { state: opened }) => {
      const by = `the first record of stream ${opened.id}`
      for (const { stream, seq, hash } of witnessesOf(detail)) {
        const state = streams.find(stream)
        const last = state?.seq ?? 0
        if (last < seq) return tailMissing(stream, last, seq, by)
        if (state?.seq === seq && state.link !== linkText(Buffer.from(hash, 'hex')))
          return historyRewritten(stream, seq, by, null)
      }
      return undefined
    },
    sums: () => ({ checkpoints, lastCheckpoint }),
  }
}

function outOfSight(seq: number): string {
  return `it is of record ${seq}, and blocks of more streams than writers that are at work at once stand in between`
}

function notRight(
  { seq, position, state }: StatedRecord,
  kind: LedgerFinding['kind'],
  why: string,
): LedgerFinding {
  return {
    kind,
    stream: state.id,
    seq,
    position,
    message: `the checkpoint that is record ${seq} is not right: ${why}`,
  }
}
