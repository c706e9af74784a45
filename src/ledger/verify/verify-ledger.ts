import type { LedgerBlock } from '../format/block.ts'
import type { LedgerBase, LedgerCheckpoint } from '../format/checkpoint.ts'
import { checkBlock } from './check-block.ts'
import { createCheckpointTrust } from './checkpoint-trust.ts'
import type { LedgerFinding } from './finding.ts'
import { diagnoseMisfit } from './ledger-diagnosis.ts'
import { tailMissing } from './prior-heads.ts'
import { createLedgerStatements } from './statements.ts'
import { createLedgerStreams, type LedgerStreams } from './streams.ts'
import { readBases, type StoredBase } from './truncation-point.ts'

export interface LedgerVerifyOptions {
  /** What stands in front of each stream whose beginning was dropped by retention, as it is stored. */
  readonly bases?: readonly StoredBase[]
  /** Public keys that may sign, raw, base64url. Undefined: any, so that a signature says only that whoever made it has its key. */
  readonly trustedKeys?: readonly string[] | undefined
  /** Checkpoints that were kept elsewhere. Their signatures are not looked at again. */
  readonly checkpoints?: readonly LedgerCheckpoint[]
  /** Streams that are known to have been opened, by id: each has at least one record, or a base. */
  readonly streams?: readonly string[]
  /** Looks at what queries find blocks by. @default nothing is looked at */
  readonly index?: LedgerIndexCheck
}

/** Compares what a store keeps beside the blocks, to find them by, with what is in them. */
export interface LedgerIndexCheck {
  /** Given each block that is in order, in the order of ids. */
  readonly check: (block: LedgerBlock) => LedgerFinding | undefined
  /** And asked once there are no more. */
  readonly end: () => LedgerFinding | undefined
}

/** What was found. */
export interface LedgerVerification {
  /** Records and whole blocks that are in order; where something is broken, those before it. */
  readonly records: number
  readonly blocks: number
  readonly streams: number
  /** Checkpoints in the ledger, all of them right, and the last of them. */
  readonly checkpoints: number
  readonly lastCheckpoint: LedgerCheckpoint | undefined
  /** Public keys that signed them and the bases. */
  readonly keys: readonly string[]
  readonly firstBroken: LedgerFinding | undefined
  /** What a reader must know to read the rest right; one sentence each. */
  readonly notes: readonly string[]
}

/**
 * Verifies a ledger, record by record, up to the first thing that is broken. Takes the blocks of all streams in the order of their ids,
 * once. What it keeps in memory grows with the number of streams, not of records.
 *
 * `docs/reference/ledger.md` has what this promises, and what it cannot.
 */
export function verifyLedger(
  blocks: Iterable<LedgerBlock>,
  {
    bases: storedBases = [],
    trustedKeys,
    checkpoints = [],
    streams: opened = [],
    index,
  }: LedgerVerifyOptions = {},
): LedgerVerification {
  const trust = createCheckpointTrust(trustedKeys)
  const { bases, firstBroken: brokenBase } = readBases(storedBases, checkpoints, trust)
  const streams = createLedgerStreams(bases, checkpoints)
  const statements = createLedgerStatements(streams, trust)
  const source = blocks[Symbol.iterator]()
  let wholeBlocks = 0
  let records = 0

  function follow(): LedgerFinding | undefined {
    for (let next = source.next(); next.done !== true; next = source.next()) {
      const { finding, misfit, records: inOrder } = checkBlock(next.value, streams, statements)
      records += inOrder
      if (finding !== undefined) return finding
      if (misfit !== undefined) return diagnoseMisfit(next.value, misfit, source)
      const unfound = index?.check(next.value)
      if (unfound !== undefined) return unfound
      wholeBlocks += 1
    }
    return undefined
  }

  const firstBroken =
    brokenBase ??
    follow() ??
    findCutTail(streams, checkpoints) ??
    findEmptied(streams, opened) ??
    index?.end()
  const { checkpoints: signed, lastCheckpoint } = statements.sums()
  const notes = [
    ...(trustedKeys === undefined && trust.keys().length > 0 ? [unknownSigner] : []),
    ...checkpoints.filter(({ stream, seq }) => isBehind(bases, stream, seq)).map(describeDropped),
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

function isBehind(bases: readonly LedgerBase[], stream: string, seq: number): boolean {
  return bases.some((base) => base.stream === stream && base.seq >= seq)
}

function describeDropped({ stream, seq }: LedgerCheckpoint): string {
  return `Record ${seq} of stream ${stream}, which a given checkpoint vouches for, was dropped by retention.`
}

/** Streams end where their writers did: only who was told of more can say that something is missing. */
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

/** A stream is opened by its first record. */
function findEmptied(streams: LedgerStreams, opened: readonly string[]): LedgerFinding | undefined {
  const stream = opened.find((id) => streams.find(id) === undefined)
  if (stream === undefined) return undefined
  const message =
    'all records of the stream are missing, and there is no base for records dropped by retention'
  return { kind: 'tail_missing', stream, seq: 1, position: null, message }
}

function describeUnsigned(streams: LedgerStreams): readonly string[] {
  let count = 0
  for (const { seq, signedSeq } of streams.all()) count += seq - signedSeq
  if (count === 0) return []
  return [
    `${count} ${count === 1 ? 'record comes' : 'records come'} after the last checkpoint in their stream: chained, but not signed.`,
  ]
}
