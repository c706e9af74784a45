import { type ChainHash, chainHashOf, firstChainHash } from '../format/chain.ts'
import type { LedgerCheckpoint } from '../format/checkpoint.ts'
import { RecentHashes } from './recent-hashes.ts'

/** How far a stream has been followed. */
export interface StreamState {
  readonly id: string
  /** Number and chain hash of the last record that fits; at first, what the chain begins with. */
  seq: number
  chainHash: ChainHash
  /** Whether the stream has neither a record yet nor a truncation point. */
  isStart: boolean
  /** Number of the last record that a checkpoint in the ledger vouches for; 0 for none. */
  signedSeq: number
  /** Whether its end has been met: no record comes after it. */
  isEnded: boolean
  /** Whether its first record was written in one commit with a signed end, which is to come. */
  needsEnd: boolean
  /** Given checkpoints that have not been reached yet, by number. */
  readonly awaited: LedgerCheckpoint[]
}

/** What stands for the beginning of a stream: its last record that is not there. */
export interface StreamBegin {
  /** Id of the stream. */
  readonly stream: string
  readonly seq: number
  /** 64 hex digits. */
  readonly hash: string
}

/** As many streams keep their recent hashes: as many writers may be at work at once. */
const streamsWithHashesMax = 16

/** Every stream met so far, and the recent hashes of those met last. */
export interface LedgerStreams {
  readonly find: (id: string) => StreamState | undefined
  /** The stream, begun if it was not known. */
  readonly get: (id: string) => StreamState
  /** The chain hashes of the stream's last records, its head included. */
  readonly recentOf: (state: StreamState) => RecentHashes
  readonly all: () => Iterable<StreamState>
}

/**
 * @param points what stands for the beginning of streams whose first records are not there; the
 *   last one of a stream counts
 * @param awaited checkpoints to compare with the chains when they are reached
 */
export function createLedgerStreams(
  points: readonly StreamBegin[],
  awaited: readonly LedgerCheckpoint[],
): LedgerStreams {
  const states = new Map<string, StreamState>()
  const recent = new Map<string, RecentHashes>()

  function begin(id: string, point: StreamBegin | undefined): StreamState {
    const seq = point?.seq ?? 0
    const state: StreamState = {
      id,
      seq,
      chainHash: point === undefined ? firstChainHash(id) : chainHashOf(point.hash),
      isStart: point === undefined,
      signedSeq: seq,
      isEnded: false,
      needsEnd: false,
      awaited: awaited
        .filter((checkpoint) => checkpoint.stream === id && checkpoint.seq > seq)
        .toSorted((one, other) => one.seq - other.seq),
    }
    states.set(id, state)
    return state
  }

  for (const point of points) begin(point.stream, point)
  return {
    find: (id) => states.get(id),
    get: (id) => states.get(id) ?? begin(id, undefined),
    recentOf: (state) => {
      const found = recent.get(state.id)
      const hashes = found ?? new RecentHashes(state.seq, state.chainHash)
      if (found === undefined) {
        const [oldest] = recent.keys()
        if (recent.size >= streamsWithHashesMax && oldest !== undefined) recent.delete(oldest)
      } else recent.delete(state.id)
      // A map keeps the order of insertion: the one used last is evicted last.
      recent.set(state.id, hashes)
      return hashes
    },
    all: () => states.values(),
  }
}
