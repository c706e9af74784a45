import { chainHashOf } from '../format/chain.ts'
import type { LedgerCheckpoint } from '../format/checkpoint.ts'
import type { LedgerEntry } from '../format/record.ts'
import { type CheckpointTrust, parseCheckpoint, parseTruncationPoint } from './checkpoint-trust.ts'
import type { LedgerFinding } from './finding.ts'
import { checkpointMismatch, historyRewritten, priorHeadsOf, tailMissing } from './prior-heads.ts'
import { type RecentHashes, recentHashesMax } from './recent-hashes.ts'
import type { LedgerStreams, StreamState } from './streams.ts'

/** A record whose chain hash fits, and where its stream stands. */
export interface StatedRecord {
  readonly seq: number
  readonly position: string
  readonly state: StreamState
  readonly recent: RecentHashes
}

/** Compares what records state about chains with the chains. */
export interface LedgerStatements {
  /** A checkpoint in the ledger. */
  readonly checkpoint: (entry: LedgerEntry, record: StatedRecord) => LedgerFinding | undefined
  /** A stream's first record, which states the heads of earlier streams and so vouches for them. */
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
          parseTruncationPoint(detail) === undefined
            ? 'it states nothing that can be read'
            : 'it is a base, which is no checkpoint'
        return notRight(record, 'checkpoint_invalid', why)
      }
      const fault = trust.faultOf(stated)
      if (fault !== undefined) return notRight(record, fault.kind, fault.message)
      if (stated.stream !== state.id || stated.seq >= seq || stated.seq < seq - recentHashesMax)
        return notRight(record, 'checkpoint_invalid', 'it is not of the records right before it')
      const chainHash = recent.at(stated.seq)
      // Writers state the record right before. Accepting less would be a way around every
      // checkpoint, since blocks of other streams can be moved.
      if (chainHash === undefined) return notRight(record, 'checkpoint_invalid', outOfSight(stated.seq))
      if (chainHash !== chainHashOf(stated.hash)) return checkpointMismatch(stated, record.position)
      state.signedSeq = seq
      checkpoints += 1
      lastCheckpoint = stated
      return undefined
    },
    opening: ({ detail }, { state: opened }) => {
      const by = `the first record of stream ${opened.id}`
      for (const { stream, seq, hash } of priorHeadsOf(detail)) {
        const state = streams.find(stream)
        const last = state?.seq ?? 0
        if (last < seq) return tailMissing(stream, last, seq, by)
        if (state?.seq === seq && state.chainHash !== chainHashOf(hash))
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
