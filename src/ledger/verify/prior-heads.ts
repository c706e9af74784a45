import type { LedgerCheckpoint, StreamEnd } from '../format/checkpoint.ts'
import type { LedgerEntry } from '../format/record.ts'
import { type LedgerFinding, numbered } from './finding.ts'

/** How far another stream had come when one was opened, or ended. */
export interface PriorHead {
  readonly stream: string
  readonly seq: number
  /** 64 hex digits. */
  readonly hash: string
}

/**
 * The heads that `ledger.opened` and a signed end state in `before`: `stream:seq:hash`, one or a
 * list. Anything else states nothing.
 */
export function priorHeadsOf(detail: LedgerEntry['detail']): readonly PriorHead[] {
  const { before } = detail ?? { before: null }
  const texts = typeof before === 'string' ? [before] : Array.isArray(before) ? before : []
  return texts.flatMap((text) => parsePriorHead(text) ?? [])
}

/** Reads `stream:seq:hash`; undefined for anything else. */
export function parsePriorHead(text: unknown): PriorHead | undefined {
  if (typeof text !== 'string') return undefined
  const [, stream, seq, hash] = /^([0-9a-f]{32}):(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  return stream === undefined || hash === undefined ? undefined : { stream, seq: Number(seq), hash }
}

/** Records that something vouches for are missing. */
export function tailMissing(stream: string, last: number, seq: number, by: string): LedgerFinding {
  const message = `the end of the stream was cut off: ${numbered(last + 1, seq - last)} ${seq - last === 1 ? 'is' : 'are'} missing, which ${by} vouches for`
  return { kind: 'tail_missing', stream, seq: last + 1, position: null, message }
}

/** The chain at a record is not what was stated of it, although every chain hash fits. */
export function historyRewritten(
  stream: string,
  seq: number,
  by: string,
  position: string | null,
): LedgerFinding {
  const message = `the history up to record ${seq} was rewritten, links and all: the chain there is not what ${by} says`
  return { kind: 'history_rewritten', stream, seq, position, message }
}

export function checkpointMismatch(
  { stream, seq, at }: LedgerCheckpoint | StreamEnd,
  position: string | null,
): LedgerFinding {
  return historyRewritten(stream, seq, `the checkpoint of ${new Date(at).toISOString()}`, position)
}
