import { bufferOf, type LedgerBlock, lastFrameOf } from '../../../ledger/format/block.ts'
import { formatPosition } from '../../../ledger/format/position.ts'
import { parseTruncationPoint } from '../../../ledger/verify/checkpoint-trust.ts'
import type { LedgerFinding } from '../../../ledger/verify/finding.ts'
import type { StreamBegin } from '../../../ledger/verify/streams.ts'
import type { StoredTruncationPoint } from '../../../ledger/verify/truncation-point.ts'
import type { StoredStream } from './stored-blocks.ts'

/** Compares the rows of streams, from which writers go on, with the records. */
export interface StreamsCheck {
  /** Called with each valid block. */
  readonly note: (block: LedgerBlock) => void
  readonly end: () => LedgerFinding | undefined
}

interface Reached {
  readonly seq: number
  readonly hash: string
  readonly position: string | null
}

export function createStreamsCheck(
  streams: readonly StoredStream[],
  points: readonly StoredTruncationPoint[],
  begins: readonly StreamBegin[],
): StreamsCheck {
  const reached = new Map<string, Reached>()
  return {
    note({ id, stream, firstSeq, count, body: bytes }) {
      const body = bufferOf(bytes)
      const { end, next } = lastFrameOf(body)
      const position = formatPosition({ block: id, index: count - 1 })
      reached.set(stream, { seq: firstSeq + count - 1, hash: body.toString('hex', end, next), position })
    },
    end() {
      // They are known to be right by now.
      const bases = new Map([
        ...points.map(({ stream, text }) => [stream, baseOf(text)] as const),
        ...begins.map(({ stream, ...begin }) => [stream, { ...begin, position: null }] as const),
      ])
      for (const { id, seq, hash } of streams) {
        const found = reached.get(id) ?? bases.get(id) ?? { seq: 0, hash: '', position: null }
        if (found.seq === seq && found.hash === hash) continue
        return differenceOf(id, { seq, hash }, found)
      }
      return undefined
    },
  }
}

function baseOf(text: string): Reached | undefined {
  const point = parseTruncationPoint(JSON.parse(text))
  return point && { seq: point.seq, hash: point.hash, position: null }
}

function differenceOf(
  stream: string,
  stated: { readonly seq: number; readonly hash: string },
  { seq, position }: Reached,
): LedgerFinding {
  if (stated.seq > seq) {
    const message = `the end of the stream was cut off: its row says that it goes to record ${stated.seq}, and the last is record ${seq}`
    return { kind: 'tail_missing', stream, seq: seq + 1, position: null, message }
  }
  if (stated.seq < seq) {
    const message = `its row says that the stream ends with record ${stated.seq}, and there are records up to ${seq}: they were inserted, or the row was changed`
    return { kind: 'record_inserted', stream, seq: stated.seq + 1, position, message }
  }
  const message = `the chain at record ${seq} is not what the stream's row says: the history was rewritten, links and all, or the row was changed`
  return { kind: 'history_rewritten', stream, seq, position, message }
}
