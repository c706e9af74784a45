import type { LedgerCheckpoint, TruncationPoint } from '../format/checkpoint.ts'
import { type CheckpointTrust, parseCheckpoint, parseTruncationPoint } from './checkpoint-trust.ts'
import type { LedgerFinding } from './finding.ts'
import { checkpointMismatch } from './prior-heads.ts'

/** A truncation point as stored: anyone who can write the file may have put it there. */
export interface StoredTruncationPoint {
  /** Id of the stream that it stands in front of, 32 hex digits; empty if unknown. */
  readonly stream: string
  /** JSON, if it is valid. */
  readonly text: string
}

/** The valid ones: all of them, or those before the first that is not. */
export interface ReadTruncationPoints {
  readonly truncationPoints: readonly TruncationPoint[]
  readonly firstBroken: LedgerFinding | undefined
}

/** Checks truncation points: their signatures, and checkpoints that were stored elsewhere. */
export function readTruncationPoints(
  stored: readonly StoredTruncationPoint[],
  checkpoints: readonly LedgerCheckpoint[],
  trust: CheckpointTrust,
): ReadTruncationPoints {
  const truncationPoints: TruncationPoint[] = []
  for (const { stream, text } of stored) {
    const value = parseJson(text)
    const point = parseTruncationPoint(value)
    if (point === undefined) return { truncationPoints, firstBroken: notATruncationPoint(stream, value) }
    const { seq } = point
    const fault =
      point.stream === stream
        ? trust.faultOf(point)
        : { kind: 'checkpoint_invalid' as const, message: `it is of stream ${point.stream}` }
    if (fault !== undefined) {
      const message = `the base that stands for the records up to ${seq} is not right: ${fault.message}`
      return { truncationPoints, firstBroken: { kind: fault.kind, stream, seq, position: null, message } }
    }
    const other = checkpoints.find(
      (checkpoint) =>
        checkpoint.stream === stream && checkpoint.seq === seq && checkpoint.hash !== point.hash,
    )
    if (other !== undefined) return { truncationPoints, firstBroken: checkpointMismatch(other, null) }
    truncationPoints.push(point)
  }
  return { truncationPoints, firstBroken: undefined }
}

function notATruncationPoint(stream: string, value: unknown): LedgerFinding {
  const checkpoint = parseCheckpoint(value)
  if (checkpoint === undefined) {
    const message =
      'the base that stands for dropped records is not right: it states nothing that can be read'
    return { kind: 'checkpoint_invalid', stream, seq: 1, position: null, message }
  }
  const message = `the start of the stream was removed, and not by retention: in the place of a base stands a checkpoint of record ${checkpoint.seq}`
  return { kind: 'start_removed', stream, seq: 1, position: null, message }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
