import { Fault } from '../../../core/fault.ts'
import { readPosition } from '../../../ledger/format/position.ts'
import type { LedgerQuery } from '../../../ledger/ledger.ts'
import type { Query } from '../postgres.ts'

/**
 * A history that is copied in while nodes write behind it: the newest block comes first, so that at
 * any moment what is here is what retention leaves of a ledger, its newest part without a gap.
 * Sums of usage came before it and count all of it, so that none is missed by those that go on from
 * them. What goes forward from the oldest block, the index and retention, waits until it is whole.
 */
export interface Arriving {
  /** Blocks below it are still to come; 0 when all are here, and are being compared. */
  readonly front: number
  /** How many these are. */
  readonly blocks: number
  /** No record of theirs is later; milliseconds since the epoch. */
  readonly latestAt: number
  /** Number of the last stream that was copied: those behind it are of nodes, and are whole. */
  readonly lastStream: number
}

/** Undefined where nothing is to come. Once that is so, it stays so. */
export async function readArriving(query: Query, schema: string): Promise<Arriving | undefined> {
  const [found] = await query<Arriving>(
    `SELECT front, blocks, latest_at AS "latestAt", last_stream AS "lastStream" FROM ${schema}.arriving`,
  )
  return found
}

/**
 * A reader that goes forward would never see what comes behind it.
 *
 * @throws Fault `ledger_unavailable` for a query that begins, or may find something, below the
 * front
 */
export async function refuseUnarrived(
  { query, schema }: { readonly query: Query; readonly schema: string },
  { after, since = 0 }: Pick<LedgerQuery, 'after' | 'since'>,
): Promise<void> {
  const arriving = await readArriving(query, schema)
  if (arriving === undefined || since > arriving.latestAt) return
  const from = after === undefined ? 0 : readPosition(after).block
  if (from >= arriving.front) return
  throw new Fault(
    'ledger_unavailable',
    `ledger: its history is still being copied, and ${arriving.blocks} blocks are to come; what is here is read from the newest record back, or from a time later than ${new Date(arriving.latestAt).toISOString()}`,
  )
}
