import type { LedgerBlock } from '../format/block.ts'
import type { LedgerCheckpoint, StreamEnd, TruncationPoint } from '../format/checkpoint.ts'
import { checkBlock } from './check-block.ts'
import { createCheckpointTrust } from './checkpoint-trust.ts'
import { diagnoseMisfit } from './explain-break.ts'
import type { LedgerFinding } from './finding.ts'
import { tailMissing } from './prior-heads.ts'
import { createLedgerStatements } from './statements.ts'
import { createLedgerStreams, type LedgerStreams, type StreamBegin } from './streams.ts'
import { readTruncationPoints, type StoredTruncationPoint } from './truncation-point.ts'
import type { FollowingBlocks } from './unchained-records.ts'

export interface LedgerVerifyOptions {
  /** The truncation point of each stream whose beginning retention dropped, as it is stored. */
  readonly truncationPoints?: readonly StoredTruncationPoint[]
  /**
   * What stands for records that are still to come, without a signature: the caller says so beside
   * the result. @default none
   */
  readonly begins?: readonly StreamBegin[]
  /**
   * Public keys that may sign, raw, base64url. Undefined: any; a signature then proves only that
   * its maker has the key that it names.
   */
  readonly trustedKeys?: readonly string[] | undefined
  /** Checkpoints that were stored elsewhere. Their signatures are not checked again. */
  readonly checkpoints?: readonly LedgerCheckpoint[]
  /** Ids of streams that were opened: each must have a record, or a truncation point. */
  readonly streams?: readonly string[]
  /** Checks what queries find blocks by. @default not checked */
  readonly index?: LedgerIndexCheck
}

/** Compares a store's index with the blocks. */
export interface LedgerIndexCheck {
  /** Called with each valid block, in the order of ids. */
  readonly check: (block: LedgerBlock) => LedgerFinding | undefined
  /** Called after the last block. */
  readonly end: () => LedgerFinding | undefined
}

/** What was found. */
export interface LedgerVerification {
  /** Valid records and whole blocks; if something is broken, those before it. */
  readonly records: number
  readonly blocks: number
  readonly streams: number
  /** Valid checkpoints in the ledger, signed ends among them, and the last of them. */
  readonly checkpoints: number
  readonly lastCheckpoint: LedgerCheckpoint | StreamEnd | undefined
  /** Public keys that signed them and the truncation points. */
  readonly keys: readonly string[]
  readonly firstBroken: LedgerFinding | undefined
  /** What to know to interpret the rest; one sentence each. */
  readonly notes: readonly string[]
}

/**
 * Verifies a ledger record by record, up to the first thing that is broken. Reads the blocks of all
 * streams once, in the order of their ids. Memory grows with the number of streams, not of records.
 * `docs/reference/ledger.md` says what this promises, and what it cannot.
 */
export function verifyLedger(
  blocks: Iterable<LedgerBlock>,
  options: LedgerVerifyOptions = {},
): LedgerVerification {
  const verifying = verifyBlocks(options)
  const source = blocks[Symbol.iterator]()
  for (let step = verifying.next(); ; ) {
    if (step.done === true) return step.value
    const next = source.next()
    step = verifying.next(next.done === true ? undefined : next.value)
  }
}

/** The same for blocks that are waited for. */
export async function verifyLedgerBehind(
  blocks: AsyncIterable<LedgerBlock>,
  options: LedgerVerifyOptions = {},
): Promise<LedgerVerification> {
  const verifying = verifyBlocks(options)
  const source = blocks[Symbol.asyncIterator]()
  for (let step = verifying.next(); ; ) {
    if (step.done === true) return step.value
    const next = await source.next()
    step = verifying.next(next.done === true ? undefined : next.value)
  }
}

function* verifyBlocks({
  truncationPoints: storedPoints = [],
  begins = [],
  trustedKeys,
  checkpoints = [],
  streams: opened = [],
  index,
}: LedgerVerifyOptions): FollowingBlocks<LedgerVerification> {
  const trust = createCheckpointTrust(trustedKeys)
  const { truncationPoints, firstBroken: brokenPoint } = readTruncationPoints(
    storedPoints,
    checkpoints,
    trust,
  )
  const streams = createLedgerStreams([...truncationPoints, ...begins], checkpoints)
  const statements = createLedgerStatements(streams, trust)
  let wholeBlocks = 0
  let records = 0

  function* follow(): FollowingBlocks<LedgerFinding | undefined> {
    for (let block = yield; block !== undefined; block = yield) {
      const { finding, misfit, records: inOrder } = checkBlock(block, streams, statements)
      records += inOrder
      if (finding !== undefined) return finding
      if (misfit !== undefined) return yield* diagnoseMisfit(block, misfit)
      const unfound = index?.check(block)
      if (unfound !== undefined) return unfound
      wholeBlocks += 1
    }
    return undefined
  }

  const firstBroken =
    brokenPoint ??
    (yield* follow()) ??
    findCutTail(streams, checkpoints) ??
    findEmptied(streams, opened) ??
    findUnended(streams) ??
    index?.end()
  const { checkpoints: signed, lastCheckpoint } = statements.sums()
  const notes = [
    ...(trustedKeys === undefined && trust.keys().length > 0 ? [unknownSigner] : []),
    ...checkpoints.filter(({ stream, seq }) => isBehind(truncationPoints, stream, seq)).map(describeDropped),
    ...(firstBroken === undefined ? describeUnsigned(streams) : []),
  ]
  return {
    records,
    blocks: wholeBlocks,
    streams: [...streams.all()].length,
    checkpoints: signed,
    lastCheckpoint,
    keys: trust.keys(),
    firstBroken,
    notes,
  }
}

const unknownSigner =
  'Signatures fit the keys that they name, but whose keys those are is not known: say it by --public-key, or by --checkpoint with a checkpoint that was kept elsewhere.'

function isBehind(truncationPoints: readonly TruncationPoint[], stream: string, seq: number): boolean {
  return truncationPoints.some((point) => point.stream === stream && point.seq >= seq)
}

function describeDropped({ stream, seq }: LedgerCheckpoint): string {
  return `Record ${seq} of stream ${stream}, which a given checkpoint vouches for, was dropped by retention.`
}

/**
 * A stream that was opened ends where its writer did: only a checkpoint stored elsewhere shows that
 * more is missing.
 */
function findCutTail(
  streams: LedgerStreams,
  checkpoints: readonly LedgerCheckpoint[],
): LedgerFinding | undefined {
  for (const { stream, seq, at } of checkpoints) {
    const last = streams.find(stream)?.seq ?? 0
    if (last < seq)
      return tailMissing(stream, last, seq, `the given checkpoint of ${new Date(at).toISOString()}`)
  }
  return undefined
}

/** A stream that was opened has its first record. */
function findEmptied(streams: LedgerStreams, opened: readonly string[]): LedgerFinding | undefined {
  const stream = opened.find((id) => streams.find(id) === undefined)
  if (stream === undefined) return undefined
  const message =
    'all records of the stream are missing, and there is no base for records dropped by retention'
  return { kind: 'tail_missing', stream, seq: 1, position: null, message }
}

/** A stream that was written in one commit has its signed end. */
function findUnended(streams: LedgerStreams): LedgerFinding | undefined {
  for (const { id, seq, needsEnd } of streams.all()) {
    if (!needsEnd) continue
    const message = `the end of the stream was cut off: record 1 was written in one commit with a signed end, which is missing behind record ${seq}`
    return { kind: 'tail_missing', stream: id, seq: seq + 1, position: null, message }
  }
  return undefined
}

function describeUnsigned(streams: LedgerStreams): readonly string[] {
  let count = 0
  for (const { seq, signedSeq } of streams.all()) count += seq - signedSeq
  if (count === 0) return []
  return [
    `${count} ${count === 1 ? 'record comes' : 'records come'} after the last checkpoint in their stream: chained, but not signed.`,
  ]
}
