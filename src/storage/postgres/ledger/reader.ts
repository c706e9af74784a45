import { Fault } from '../../../core/fault.ts'
import type { Scheduler } from '../../../core/scheduler.ts'
import { readPosition } from '../../../ledger/format/position.ts'
import type { LedgerRecord } from '../../../ledger/format/record.ts'
import type { LedgerPage, LedgerQuery, LedgerReader } from '../../../ledger/ledger.ts'
import { createMatcher, ledgerPageOf } from '../../../ledger/query/filter.ts'
import { matchRecords } from '../../ledger/match-records.ts'
import type { Postgres } from '../postgres.ts'
import { refuseUnarrived } from './arriving.ts'
import { type BlockRange, findBlocks } from './block-pages.ts'
import { createReadTurns } from './read-turns.ts'
import { createSettledBlocks } from './settled.ts'
import { sumUsage } from './usage/sum-usage.ts'

export interface LedgerReaderOptions {
  /** @throws Fault `ledger_unavailable`, by rejecting, also once it is closed */
  readonly connect: () => Promise<Postgres>
  readonly scheduler: Scheduler
}

/** Queries that read at once: each holds some blocks, and has a connection now and then. */
const queriesMax = 4

/** Reads a ledger. Sums of usage can take long: no query waits for them. */
export function createLedgerReader({ connect, scheduler }: LedgerReaderOptions): LedgerReader {
  const settled = createSettledBlocks(scheduler)
  const queries = createReadTurns(queriesMax)
  const sums = createReadTurns(1)
  let isOpen = true

  async function read<Result>(
    turns: typeof queries,
    work: (postgres: Postgres) => Promise<Result>,
  ): Promise<Result> {
    try {
      return await turns(async () => {
        if (!isOpen) throw new Fault('ledger_unavailable', 'ledger: it is closed')
        return work(await connect())
      })
    } catch (cause) {
      if (cause instanceof Fault) throw cause
      throw new Fault('ledger_unavailable', 'ledger: its records cannot be read', { cause })
    }
  }

  return {
    async query(query) {
      // Before the turn: a wrong cursor is no fault of the ledger's.
      if (query.after !== undefined) readPosition(query.after)
      return read(queries, async (postgres) => pageOf(postgres, query, await rangeOf(postgres, query)))
    },
    usage: (query) => read(sums, (postgres) => sumUsage(postgres, query)),
    async close() {
      isOpen = false
    },
  }

  async function rangeOf(postgres: Postgres, query: LedgerQuery): Promise<BlockRange> {
    const { order, after } = query
    const from = after === undefined ? undefined : readPosition(after).block
    if (order === 'newest') return { order, first: 1, last: from ?? Number.MAX_SAFE_INTEGER }
    await refuseUnarrived(postgres, query)
    return { order, first: from ?? 1, last: await settled.find(postgres) }
  }
}

async function pageOf(postgres: Postgres, query: LedgerQuery, range: BlockRange): Promise<LedgerPage> {
  const { limit, order } = query
  const after = query.after === undefined ? undefined : readPosition(query.after)
  const search = { order, matcher: createMatcher(query), after }
  const found: LedgerRecord[] = []
  for await (const block of findBlocks(postgres, query, range)) {
    found.push(...matchRecords(block, search, limit + 1 - found.length))
    if (found.length > limit) break
  }
  return ledgerPageOf(found, query)
}
