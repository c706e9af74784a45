import { basename } from 'node:path'
import { formatPosition } from '../../../../ledger/format/position.ts'
import { timeMax } from '../../../../ledger/query/record-view.ts'
import type { LedgerFinding } from '../../../../ledger/verify/finding.ts'
import { usageWidths } from '../../../ledger/usage-cells.ts'
import type { SqliteDatabase } from '../../database.ts'
import type { UsageBucket } from './compare-usage.ts'
import { oldestBlock } from './fill-usage.ts'

/** What is found wrong with a roll-up: the first of it is described, the rest counted. */
export interface UsageDifferences {
  /** @param difference a clause about the hour or day, or about the whole */
  readonly tell: (difference: string, bucket?: Omit<UsageBucket, 'last'>) => void
  readonly finding: () => LedgerFinding | undefined
}

export function createUsageDifferences(ledger: SqliteDatabase, file: string): UsageDifferences {
  let described: (Omit<LedgerFinding, 'message'> & { readonly first: string }) | undefined
  let count = 0
  return {
    tell(difference, bucket) {
      count += 1
      described ??= {
        kind: 'usage_changed',
        ...placeOf(ledger, bucket?.first ?? 1),
        first: `${bucket === undefined ? '' : `${timeOf(bucket)}: `}${difference}`,
      }
    },
    finding() {
      if (described === undefined) return undefined
      const { first, ...place } = described
      const more = count === 1 ? '' : `; ${count} differences in all`
      const message = `the sums that usage is answered from are not those of the records: ${first}${more}; ${wayOut(ledger, file)}`
      return { ...place, message }
    },
  }
}

/** The first record of a block, or of the next that is left. */
function placeOf(ledger: SqliteDatabase, block: number): Pick<LedgerFinding, 'stream' | 'seq' | 'position'> {
  const found = ledger
    .prepare<{ id: number; stream: string; seq: number }>(
      `SELECT block.id AS id, stream.id AS stream, first_seq AS seq
       FROM block JOIN stream ON stream.number = block.stream WHERE block.id >= ? ORDER BY block.id LIMIT 1`,
    )
    .get(block)
  if (found === undefined) return { stream: '', seq: 1, position: null }
  const { id, stream, seq } = found
  return { stream, seq, position: formatPosition({ block: id, index: 0 }) }
}

function timeOf({ width, bucket }: Pick<UsageBucket, 'width' | 'bucket'>): string {
  const time = new Date(Math.min(Math.max(bucket, 0), timeMax)).toISOString()
  if (width === usageWidths[0]) return `hour from ${time}`
  return width === usageWidths[1] ? `day from ${time}` : `${width} ms from ${time}`
}

function wayOut(ledger: SqliteDatabase, file: string): string {
  const name = basename(file)
  return oldestBlock(ledger) === 1
    ? `remove ${name}, and it is made anew from the records`
    : `put ${name} back from a backup, or remove it: it is made anew, without the records that retention has dropped`
}
