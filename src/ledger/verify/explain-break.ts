import { linkTextOf } from '../format/ledger-link.ts'
import { type LedgerBreak, type LedgerFinding, numbered } from './finding.ts'
import type { RecentLinks } from './recent-hashes.ts'
import type { LooseRecord } from './unchained-records.ts'

/** Where the chain of a stream breaks, and what comes after. */
export interface BrokenPlace {
  readonly stream: string
  /** The links of the stream up to the break: the last is the one before the first loose record. */
  readonly recent: RecentLinks
  /** Whether no record of the stream comes before the break, and no base stands for any that were dropped. */
  readonly isStart: boolean
  /** The record that does not fit, and those that follow it in its stream. */
  readonly loose: readonly [LooseRecord, ...LooseRecord[]]
  /** How many records fewer the broken block holds than its columns say. */
  readonly lacking: number
}

/** How large a gap is measured by the links alone, where the columns do not show it: at first, and when nothing else explains the break. */
const gapMax = 1_024
const wideGapMax = 1_000_000
/** How far the numbers of records behind several broken ones are looked for. */
const shiftMax = 16

/**
 * Says what happened. A link says of its record which number it has and which record came before it, whatever the block's columns say: so a
 * record that follows tells the true number of the one before it, and one that fits further up or down tells what stands in between.
 * Where two readings are left, the likelier is given, and the message says so.
 */
export function explainBreak(place: BrokenPlace): LedgerFinding {
  const [first, second] = place.loose
  const seq = place.recent.last + 1
  const early = findCopy(place) ?? findChangedLink(place) ?? findFork(place)
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

/** Whether the record's link, as it is written, is the one that it has behind a record with the link `before`, as number `seq`. */
export function fits(before: string | undefined, seq: number, { entry, link }: LooseRecord): boolean {
  return before !== undefined && linkTextOf(before, seq, entry, 0, entry.length) === link
}

function found(
  { stream, recent, loose: [first] }: BrokenPlace,
  kind: LedgerBreak,
  message: string,
): LedgerFinding {
  return { kind, stream, seq: recent.last + 1, position: first.position, message }
}

/** The same record twice: of what came before, or of what follows. */
function findCopy(place: BrokenPlace): LedgerFinding | undefined {
  const { recent, loose } = place
  const [first, ...rest] = loose
  const where = `where record ${recent.last + 1} belongs`
  const before = recent.numberOf(first.link)
  if (before !== undefined)
    return found(place, 'record_duplicated', `record ${before} stands a second time ${where}`)
  const twin = rest.find(({ link }) => link === first.link)
  if (twin === undefined) return undefined
  return found(place, 'record_duplicated', `the record at ${twin.position} stands also ${where}`)
}

/** Whether the record goes on from one further up: what stands in between was put in, with links that were made to fit. */
function findFork(place: BrokenPlace): LedgerFinding | undefined {
  const { recent, loose } = place
  for (let seq = recent.last; seq > recent.oldest; seq -= 1) {
    if (!fits(recent.at(seq - 1), seq, loose[0])) continue
    const count = recent.last - seq + 1
    const what = `${numbered(seq, count)} ${count === 1 ? 'was' : 'were'} inserted`
    const message = `${what}, with links made to fit: the record behind claims number ${seq} too, and goes on from record ${seq - 1}`
    return { ...found(place, 'record_inserted', message), seq }
  }
  return undefined
}

/** Whether the record that belongs here comes further down: then what stands before it was moved up or put in. */
function findDisplaced(place: BrokenPlace, own: number | undefined): LedgerFinding | undefined {
  const { recent, loose } = place
  const seq = recent.last + 1
  const at = loose.findIndex((record) => fits(recent.at(recent.last), seq, record))
  const rightful = loose[at]
  if (rightful === undefined) return undefined
  if ((own !== undefined && own > seq) || comesBackBefore(loose, at, seq))
    return found(
      place,
      'records_reordered',
      `record ${seq} stands at ${rightful.position}, behind records that come after it`,
    )
  const what = at === 1 ? 'a record was inserted' : `${at} records were inserted`
  return found(place, 'record_inserted', `${what} before record ${seq}, which fits what comes before them`)
}

/** Whether the chain that goes on from the record at `from`, which has this number, comes to one that stands before it. */
function comesBackBefore(loose: readonly LooseRecord[], from: number, number: number): boolean {
  let at = from
  for (let seq = number + 1; seq <= number + loose.length; seq += 1) {
    const link = loose[at]?.link
    const next = loose[at + 1]
    const follows = (record: LooseRecord): boolean => fits(link, seq, record)
    at = next !== undefined && follows(next) ? at + 1 : loose.findIndex(follows)
    if (at < 0) return false
    if (at < from) return true
  }
  return false
}

/** The true number of a record, by the one after it; undefined where that does not follow it, or the number is far off. */
function numberBySuccessor(
  record: LooseRecord,
  after: LooseRecord,
  expected: number,
  offMax: number,
): number | undefined {
  // Columns may claim what is no number of a record.
  const is = (seq: number): boolean => seq > 0 && fits(record.link, seq + 1, after)
  if (is(expected)) return expected
  if (is(record.claimed)) return record.claimed
  for (let off = 1; off <= offMax; off += 1) {
    if (is(expected + off)) return expected + off
    if (is(expected - off)) return expected - off
  }
  return undefined
}

/** What the record's true number tells. */
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

/** Whether only the link is not what was written: the record behind goes on from the right one. */
function findChangedLink(place: BrokenPlace): LedgerFinding | undefined {
  const { recent, loose } = place
  const [{ entry }, second] = loose
  const seq = recent.last + 1
  const before = recent.at(recent.last)
  if (before === undefined || second === undefined) return undefined
  if (!fits(linkTextOf(before, seq, entry, 0, entry.length), seq + 1, second)) return undefined
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

/** The record behind helps no further: where the chain goes on, its numbers tell whether records lack there, or are too many. */
function findFurther(place: BrokenPlace): LedgerFinding | undefined {
  const { recent, loose } = place
  const seq = recent.last + 1
  for (const [at, one] of loose.entries()) {
    const other = loose[at + 1]
    if (at === 0 || other === undefined) continue
    for (let shift = -shiftMax; shift <= shiftMax; shift += 1) {
      const own = seq + at + shift
      if (own <= recent.last || !fits(one.link, own + 1, other)) continue
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

function lastDoubt({ loose }: BrokenPlace): string {
  return loose.length === 1
    ? 'it is the last of its stream, so that it may also have been inserted, or the one before it removed'
    : 'neither does any record after it'
}
