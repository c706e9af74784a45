import { bufferOf, type LedgerBlock } from '../format/block.ts'
import { chainHashOf } from '../format/chain.ts'
import { decodeEntry } from '../format/encoding.ts'
import { ledgerEventOf, ledgerEvents } from '../format/event.ts'
import { formatPosition, parsePosition } from '../format/position.ts'
import type { LedgerEntry } from '../format/record.ts'
import { type WalkEnd, type WalkedRecord, walkBlock } from '../format/walk-block.ts'
import type { Misfit } from './explain-break.ts'
import type { LedgerFinding } from './finding.ts'
import { checkpointMismatch } from './prior-heads.ts'
import type { LedgerStatements, StatedRecord } from './statements.ts'
import type { LedgerStreams } from './streams.ts'

/** What is wrong with a block, if anything: a finding, or a break that later blocks explain. */
export interface BlockResult {
  /** Records that are in order, up to the first that is not. */
  readonly records: number
  readonly finding?: LedgerFinding
  readonly misfit?: Misfit
}

/** Checks a block against all that came before it in its stream, and advances the stream by it. */
export function checkBlock(
  block: LedgerBlock,
  streams: LedgerStreams,
  statements: LedgerStatements,
): BlockResult {
  const state = streams.get(block.stream)
  const recent = streams.recentOf(state)
  const { isStart, seq: seqBefore } = state
  const body = bufferOf(block.body)
  let finding: LedgerFinding | undefined
  let records = 0
  const end = walkBlock(body, seqBefore, state.chainHash, (record) => {
    recent.push(record.chainHash)
    if (finding !== undefined) return
    if (state.isEnded || state.awaited[0]?.seq === record.seq || !isQuiet(body, record)) {
      const position = formatPosition({ block: block.id, index: record.index })
      finding = look(body, record, { seq: record.seq, position, state, recent }, statements)
    }
    if (finding === undefined) records += 1
  })
  state.seq += end.count
  state.chainHash = end.chainHash
  if (end.count > 0) state.isStart = false
  if (finding !== undefined) return { records, finding }
  if (end.stop !== undefined || end.count < block.count)
    return { records, misfit: { recent, isStart: isStart && end.count === 0, at: end.at, index: end.count } }
  const wrong = findWrongColumn(block, end, seqBefore)
  return wrong === undefined ? { records } : { records, finding: wrong }
}

/**
 * Whether the record is in the middle of its stream, states nothing of a chain and has a known
 * version and event, as most do.
 */
function isQuiet(body: Buffer, { start, seq }: WalkedRecord): boolean {
  const event = body[start + 1] ?? 0
  return (
    seq !== 1 &&
    body[start] === 1 &&
    event !== ledgerEvents['ledger.checkpoint'] &&
    event !== ledgerEvents['ledger.opened'] &&
    event !== ledgerEvents['ledger.closed'] &&
    ledgerEventOf(event) !== undefined
  )
}

function look(
  body: Buffer,
  { start, end, chainHash }: WalkedRecord,
  record: StatedRecord,
  statements: LedgerStatements,
): LedgerFinding | undefined {
  const { seq, position, state } = record
  while (state.awaited[0]?.seq === seq) {
    const awaited = state.awaited.shift()
    if (awaited !== undefined && chainHashOf(awaited.hash) !== chainHash)
      return checkpointMismatch(awaited, position)
  }
  if (state.isEnded) {
    const message = `a record was inserted behind the end of the stream: record ${seq - 1} ended it, and its writer wrote none after that`
    return { kind: 'record_inserted', stream: state.id, seq, position, message }
  }
  const entry = decode(body.subarray(start, end))
  if (entry === undefined) {
    const message = `record ${seq} fits its link and cannot be read: it is of a version or an event that is not known here`
    return { kind: 'undecodable', stream: state.id, seq, position, message }
  }
  if (seq === 1) state.needsEnd = isOfOneCommit(entry)
  switch (entry.event) {
    case 'ledger.checkpoint':
      return statements.checkpoint(entry, record)
    case 'ledger.opened':
      return statements.opening(entry, record)
    case 'ledger.closed':
      return statements.ending(entry, record)
    default:
      return undefined
  }
}

/**
 * Whether a stream that begins with this record was written in one commit with its signed end, as
 * commands do. Only they begin one without `ledger.opened`, and they record no requests.
 */
function isOfOneCommit({ event }: LedgerEntry): boolean {
  return event !== 'ledger.opened' && !event.startsWith('request')
}

function decode(bytes: Uint8Array): LedgerEntry | undefined {
  try {
    return decodeEntry(bytes)
  } catch {
    return undefined
  }
}

/** The columns are not chained, but queries go by them. */
function findWrongColumn(block: LedgerBlock, end: WalkEnd, seqBefore: number): LedgerFinding | undefined {
  const { id, stream, firstSeq, count, minAt, maxAt } = block
  if (id < 1 || parsePosition(formatPosition({ block: id, index: 0 })) === undefined)
    return {
      kind: 'block_changed',
      stream,
      seq: seqBefore + 1,
      position: null,
      message: `block ${id} was changed around its records, which are in order: no query comes to a block with that id`,
    }
  const columns = [
    ['count', count, end.count],
    ['first_seq', firstSeq, seqBefore + 1],
    ['min_at', minAt, end.minAt],
    ['max_at', maxAt, end.maxAt],
  ] as const
  const wrong = columns.find(([, stated, found]) => stated !== found)
  if (wrong === undefined) return undefined
  const [name, stated, found] = wrong
  return {
    kind: 'block_changed',
    stream,
    seq: seqBefore + 1,
    position: formatPosition({ block: id, index: 0 }),
    message: `block ${id} was changed around its records, which are in order: ${name} is ${stated}, and by them ${found}`,
  }
}
