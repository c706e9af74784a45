import { chainHashOf } from '../format/chain.ts'
import type { LedgerCheckpoint, StreamEnd } from '../format/checkpoint.ts'
import type { LedgerEntry } from '../format/record.ts'
import {
  type CheckpointTrust,
  parseCheckpoint,
  parseStreamEnd,
  parseTruncationPoint,
} from './checkpoint-trust.ts'
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
  /** A stream's last record. A signed one is a checkpoint, and vouches for earlier streams. */
  readonly ending: (entry: LedgerEntry, record: StatedRecord) => LedgerFinding | undefined
  readonly sums: () => StatementSums
}

export interface StatementSums {
  /** Ends that are signed among them. */
  readonly checkpoints: number
  readonly lastCheckpoint: LedgerCheckpoint | StreamEnd | undefined
}

export function createLedgerStatements(streams: LedgerStreams, trust: CheckpointTrust): LedgerStatements {
  let checkpoints = 0
  let lastCheckpoint: StatementSums['lastCheckpoint']

  /** @param reach how far before its own the record may be that it states */
  function signed(
    stated: LedgerCheckpoint | StreamEnd,
    record: StatedRecord,
    reach: number,
  ): LedgerFinding | undefined {
    const { seq, state, recent } = record
    const fault = trust.faultOf(stated)
    if (fault !== undefined) return notRight(record, fault.kind, fault.message)
    if (stated.stream !== state.id || stated.seq >= seq || stated.seq < seq - reach)
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
  }

  function priorHeads({ detail }: Pick<LedgerEntry, 'detail'>, by: string): LedgerFinding | undefined {
    for (const { stream, seq, hash } of priorHeadsOf(detail)) {
      const state = streams.find(stream)
      const last = state?.seq ?? 0
      if (last < seq) return tailMissing(stream, last, seq, by)
      if (state?.seq === seq && state.chainHash !== chainHashOf(hash))
        return historyRewritten(stream, seq, by, null)
    }
    return undefined
  }

  return {
    checkpoint({ detail }, record) {
      const stated = parseCheckpoint(detail)
      if (stated !== undefined) return signed(stated, record, recentHashesMax)
      const why =
        parseTruncationPoint(detail) === undefined ? unreadable : 'it is a base, which is no checkpoint'
      return notRight(record, 'checkpoint_invalid', why)
    },
    opening: (entry, { state }) => priorHeads(entry, `the first record of stream ${state.id}`),
    ending(entry, record) {
      const { state } = record
      state.isEnded = true
      // A checkpoint comes before it.
      if (entry.detail === null) return undefined
      const stated = parseStreamEnd(entry.detail)
      if (stated === undefined) return notRight(record, 'checkpoint_invalid', unreadable)
      state.needsEnd = false
      return signed(stated, record, 1) ?? priorHeads(entry, `the end of stream ${state.id}`)
    },
    sums: () => ({ checkpoints, lastCheckpoint }),
  }
}

const unreadable = 'it states nothing that can be read'

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
