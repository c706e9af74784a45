import type { LedgerBlock } from '../format/block.ts'
import { type ChainHash, nextChainHash } from '../format/chain.ts'
import { formatPosition } from '../format/position.ts'
import { type LedgerBreak, type LedgerFinding, numbered } from './finding.ts'
import type { RecentHashes } from './recent-hashes.ts'
import {
  type FollowingBlocks,
  type UnchainedRecord,
  unchainedRecordsAfter,
  unchainedRecordsOf,
} from './unchained-records.ts'

/** Where the chain breaks in a block. */
export interface Misfit {
  /** The chain hashes of the stream up to there. */
  readonly recent: RecentHashes
  /** Whether the stream has neither a record before it nor a truncation point. */
  readonly isStart: boolean
  /** The record that does not fit: its first byte and its index; the body's end if records lack. */
  readonly at: number
  readonly index: number
}

/** Says what happened where the chain breaks, by the blocks that follow. */
export function* diagnoseMisfit(
  block: LedgerBlock,
  { recent, isStart, at, index }: Misfit,
): FollowingBlocks<LedgerFinding> {
  const { stream } = block
  const seq = recent.last + 1
  const { records, count, isWhole } = unchainedRecordsOf(block, at, index)
  const position = formatPosition({ block: block.id, index })
  if (!isWhole) {
    const message = `the bytes of block ${block.id} are no records any more, from record ${seq} on`
    return { kind: 'undecodable', stream, seq, position, message }
  }
  const lacking = Math.max(0, block.count - index - count)
  const [first, ...rest] = [...records, ...(yield* unchainedRecordsAfter(stream))]
  if (first === undefined || (count === 0 && fits(recent.at(recent.last), seq, first))) {
    const or =
      first === undefined
        ? ', or records were removed from its end'
        : ', and the next block goes on from there'
    const message = `block ${block.id} was changed around its records: count is ${block.count}, and there are ${index}${or}`
    return { kind: 'block_changed', stream, seq, position: null, message }
  }
  return explainBreak({ stream, recent, isStart, unchained: [first, ...rest], lacking })
}

/** Where the chain of a stream breaks, and what comes after. */
interface BrokenPlace {
  readonly stream: string
  /** The chain hashes of the stream up to the break; the last is that before `unchained`. */
  readonly recent: RecentHashes
  /** Whether the stream has neither a record before the break nor a truncation point. */
  readonly isStart: boolean
  /** The record that does not fit, and those that follow it in its stream. */
  readonly unchained: readonly [UnchainedRecord, ...UnchainedRecord[]]
  /** How many records fewer the broken block holds than its columns say. */
  readonly lacking: number
}

/** How large a gap is measured by the hashes alone: at first, and when nothing else explains it. */
const gapMax = 1_024
const wideGapMax = 1_000_000
/** How far off the numbers of records behind several broken ones may be. */
const shiftMax = 16

/**
 * Says what happened. A chain hash fixes its record's number and predecessor, whatever the block's
 * columns claim: so a record gives away the true number of the one before it, and one that fits
 * further up or down shows what stands in between. Of two possible readings it reports the
 * likelier, and the message says so.
 */
function explainBreak(place: BrokenPlace): LedgerFinding {
  const [first, second] = place.unchained
  const seq = place.recent.last + 1
  const early = findCopy(place) ?? findChangedHash(place) ?? findFork(place)
  if (early !== undefined) return early
  const own = second && numberBySuccessor(first, second, seq, gapMax)
  return (
    (own !== undefined && own < seq ? again(place, own) : undefined) ??
    findDisplaced(place, own) ??
    findByNumber(place, own) ??
    (first.claimed > seq ? removed(place, first.claimed) : undefined) ??
    (place.lacking > 0 ? removed(place, seq + place.lacking) : undefined) ??
    findFurther(place) ??
    findByNumber(place, second && numberBySuccessor(first, second, seq, wideGapMax)) ??
    found(
      place,
      'record_changed',
      `record ${seq} was changed: it does not fit what comes before it; ${lastDoubt(place)}`,
    )
  )
}

/** Whether the record's stored chain hash is that of record `seq` behind the hash `before`. */
function fits(before: ChainHash | undefined, seq: number, { entry, chainHash }: UnchainedRecord): boolean {
  return before !== undefined && nextChainHash(before, seq, entry, 0, entry.length) === chainHash
}

function found(
  { stream, recent, unchained: [first] }: BrokenPlace,
  kind: LedgerBreak,
  message: string,
): LedgerFinding {
  return { kind, stream, seq: recent.last + 1, position: first.position, message }
}

/** The same record twice: a copy of one before, or of one that follows. */
function findCopy(place: BrokenPlace): LedgerFinding | undefined {
  const { recent, unchained } = place
  const [first, ...rest] = unchained
  const where = `where record ${recent.last + 1} belongs`
  const before = recent.numberOf(first.chainHash)
  if (before !== undefined)
    return found(place, 'record_duplicated', `record ${before} stands a second time ${where}`)
  const twin = rest.find(({ chainHash }) => chainHash === first.chainHash)
  if (twin === undefined) return undefined
  return found(place, 'record_duplicated', `the record at ${twin.position} stands also ${where}`)
}

/** Whether the record goes on from one further up, so that those in between were inserted. */
function findFork(place: BrokenPlace): LedgerFinding | undefined {
  const { recent, unchained } = place
  for (let seq = recent.last; seq > recent.oldest; seq -= 1) {
    if (!fits(recent.at(seq - 1), seq, unchained[0])) continue
    const count = recent.last - seq + 1
    const what = `${numbered(seq, count)} ${count === 1 ? 'was' : 'were'} inserted`
    const message = `${what}, with links made to fit: the record behind claims number ${seq} too, and goes on from record ${seq - 1}`
    return { ...found(place, 'record_inserted', message), seq }
  }
  return undefined
}

/** Whether the record that belongs here comes later: those before it were moved or inserted. */
function findDisplaced(place: BrokenPlace, own: number | undefined): LedgerFinding | undefined {
  const { recent, unchained } = place
  const seq = recent.last + 1
  const at = unchained.findIndex((record) => fits(recent.at(recent.last), seq, record))
  const rightful = unchained[at]
  if (rightful === undefined) return undefined
  if ((own !== undefined && own > seq) || comesBackBefore(unchained, at, seq))
    return found(
      place,
      'records_reordered',
      `record ${seq} stands at ${rightful.position}, behind records that come after it`,
    )
  const what = at === 1 ? 'a record was inserted' : `${at} records were inserted`
  return found(place, 'record_inserted', `${what} before record ${seq}, which fits what comes before them`)
}

/** Whether the chain from the record at `from`, number `number`, goes on at one before it. */
function comesBackBefore(unchained: readonly UnchainedRecord[], from: number, number: number): boolean {
  let at = from
  for (let seq = number + 1; seq <= number + unchained.length; seq += 1) {
    const before = unchained[at]?.chainHash
    const next = unchained[at + 1]
    const follows = (record: UnchainedRecord): boolean => fits(before, seq, record)
    at = next !== undefined && follows(next) ? at + 1 : unchained.findIndex(follows)
    if (at < 0) return false
    if (at < from) return true
  }
  return false
}

/** The true number of a record, by the one after it; undefined if that does not follow it. */
function numberBySuccessor(
  record: UnchainedRecord,
  after: UnchainedRecord,
  expected: number,
  offMax: number,
): number | undefined {
  // Columns may claim an impossible number.
  const is = (seq: number): boolean => seq > 0 && fits(record.chainHash, seq + 1, after)
  if (is(expected)) return expected
  if (is(record.claimed)) return record.claimed
  for (let off = 1; off <= offMax; off += 1) {
    if (is(expected + off)) return expected + off
    if (is(expected - off)) return expected - off
  }
  return undefined
}

/** What the record's true number shows. */
function findByNumber(place: BrokenPlace, own: number | undefined): LedgerFinding | undefined {
  const seq = place.recent.last + 1
  if (own === undefined) return undefined
  if (own > seq) return removed(place, own)
  if (own < seq) return again(place, own)
  return found(place, 'record_changed', `record ${seq} was changed: it is not what its link was made of`)
}

function again(place: BrokenPlace, own: number): LedgerFinding {
  const where = `where record ${place.recent.last + 1} belongs`
  return found(place, 'record_duplicated', `record ${own} stands again ${where}`)
}

/** Whether only the stored chain hash was changed: the next record goes on from the right one. */
function findChangedHash(place: BrokenPlace): LedgerFinding | undefined {
  const { recent, unchained } = place
  const [{ entry }, second] = unchained
  const seq = recent.last + 1
  const before = recent.at(recent.last)
  if (before === undefined || second === undefined) return undefined
  if (!fits(nextChainHash(before, seq, entry, 0, entry.length), seq + 1, second)) return undefined
  const why = `its link is not the one that record ${seq + 1} goes on from`
  return found(place, 'record_changed', `record ${seq} was changed: ${why}`)
}

function removed(place: BrokenPlace, next: number): LedgerFinding {
  const seq = place.recent.last + 1
  const gone = `${numbered(seq, next - seq)} ${next - seq === 1 ? 'is' : 'are'} missing`
  return place.isStart
    ? found(
        place,
        'start_removed',
        `the stream does not begin at its start: ${gone}, and there is no base for records dropped by retention`,
      )
    : found(place, 'records_removed', `${gone} between record ${seq - 1} and record ${next}`)
}

/** Where the chain goes on further down: the numbers there show if records are missing or added. */
function findFurther(place: BrokenPlace): LedgerFinding | undefined {
  const { recent, unchained } = place
  const seq = recent.last + 1
  for (const [at, one] of unchained.entries()) {
    const other = unchained[at + 1]
    if (at === 0 || other === undefined) continue
    for (let shift = -shiftMax; shift <= shiftMax; shift += 1) {
      const own = seq + at + shift
      if (own <= recent.last || !fits(one.chainHash, own + 1, other)) continue
      if (shift > 0) return removed(place, seq + shift)
      if (shift === 0)
        return found(
          place,
          'record_changed',
          `${numbered(seq, at + 1)} were changed: none fits what comes before it`,
        )
      const what = shift === -1 ? 'a record was inserted' : `${-shift} records were inserted`
      return found(place, 'record_inserted', `${what} before record ${own}, with which the chain goes on`)
    }
  }
  return undefined
}

function lastDoubt({ unchained }: BrokenPlace): string {
  return unchained.length === 1
    ? 'it is the last of its stream, so that it may also have been inserted, or the one before it removed'
    : 'neither does any record after it'
}
