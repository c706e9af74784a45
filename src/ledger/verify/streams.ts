import { firstLink } from '../format/chain.ts'
import type { LedgerBase, LedgerCheckpoint } from '../format/checkpoint.ts'
import { linkText } from '../format/ledger-link.ts'
import { RecentLinks } from './recent-hashes.ts'

/** How far a stream has been followed. */
export interface StreamState {
  readonly id: string
  /** Number and link of the last record that fits; where there was none yet, those that the chain begins with. */
  seq: number
  link: string
  /** Whether no record was seen yet and no base stands in front. */
  isStart: boolean
  /** Number of the last record that a checkpoint in the ledger vouches for; 0 for none. */
  signedSeq: number
  /** Checkpoints that were given and not come to yet, by number. */
  readonly awaited: LedgerCheckpoint[]
}

/** Writers at work at once: as many streams keep their last links. */
const streamsWithLinksMax = 16

/** Every stream that was seen, and the last links of those that were seen last. */
export interface LedgerStreams {
  readonly find: (id: string) => StreamState | undefined
  /** The stream, begun where it was not known. */
  readonly get: (id: string) => StreamState
  /** The links of the stream's last records, its head included. */
  readonly recentOf: (state: StreamState) => RecentLinks
  readonly all: () => Iterable<StreamState>
}

/**
 * @param bases what stands in front of streams whose beginning was dropped
 * @param awaited checkpoints to compare with the chains when they are come to
 */
export function createLedgerStreams(
  bases: readonly LedgerBase[],
  awaited: readonly LedgerCheckpoint[],
): LedgerStreams {
  const states = new Map<string, StreamState>()
  const recent = new Map<string, RecentLinks>()

  function begin(id: string, base: LedgerBase | undefined): StreamState {
    const state: StreamState = {
      id,
      seq: base?.seq ?? 0,
      link: linkText(base === undefined ? firstLink(id) : Buffer.from(base.hash, 'hex')),
      isStart: base === undefined,
      signedSeq: base?.seq ?? 0,
      awaited: awaited
        .filter(({ stream, seq }) => stream === id && seq > (base?.seq ?? 0))
        .toSorted((one, other) => one.seq - other.seq),
    }
    states.set(id, state)
    return state
  }

  for (const base of bases) begin(base.stream, base)
  return {
    find: (id) => states.get(id),
    get: (id) => states.get(id) ?? begin(id, undefined),
    recentOf: (state) => {
      const found = recent.get(state.id)
      const links = found ?? new RecentLinks(state.seq, state.link)
      if (found === undefined) {
        const [oldest] = recent.keys()
        if (recent.size >= streamsWithLinksMax && oldest !== undefined) recent.delete(oldest)
      } else recent.delete(state.id)
      // A map keeps the order of setting: the one that was used last is the last to go.
      recent.set(state.id, links)
      return links
    },
    all: () => states.values(),
  }
}
