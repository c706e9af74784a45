import type { LedgerBlock } from '../../../ledger/format/block.ts'
import type { LedgerFinding } from '../../../ledger/verify/finding.ts'
import {
  type LedgerIndexCheck,
  type LedgerVerification,
  verifyLedgerBehind,
} from '../../../ledger/verify/verify-ledger.ts'
import { createChangesCheck, type SaidChanges } from '../../ledger/check-changes.ts'
import type { LedgerTrust } from '../../storage.ts'
import type { Postgres, Query } from '../postgres.ts'
import { readArrivingStreams } from './arriving-streams.ts'
import { createIndexCheck, type PostedIndexCheck } from './check-index.ts'
import { createStreamsCheck, type StreamsCheck } from './check-streams.ts'
import { ledgerTables } from './ledger-schema.ts'
import { storedBlocks, storedStreams, storedTruncationPoints } from './stored-blocks.ts'
import { createUsageCheck, type UsageCheck } from './usage/check-usage.ts'

/**
 * Verifies a ledger in one snapshot of the database, beside its writers: records, index, the rows
 * of streams, how far the changes of keys have come, and the sums of usage. Of a history that is
 * still being copied in it verifies what is here, and its finding is that not all is.
 *
 * @throws Fault `ledger_unavailable`, by rejecting
 */
export async function verifyPostgresLedger(
  postgres: Postgres,
  { onProgress, ...trust }: LedgerTrust,
): Promise<LedgerVerification> {
  const { schema } = postgres
  return postgres.transaction(async (query) => {
    const truncationPoints = await storedTruncationPoints(query, schema)
    const streams = await storedStreams(query, schema)
    const index = await createIndexCheck(query, schema)
    const { begins, taken, finding } = await readArrivingStreams(query, schema)
    const checked = checkAll(index, createStreamsCheck(streams, truncationPoints, begins), {
      tables: await findOtherTables(query, schema),
      change: await readChanges(query, schema),
    })
    const arriving = finding(trust.checkpoints ?? [])
    const usage = await createUsageCheck(query, schema, arriving === undefined)
    const blocks = prepared(storedBlocks(query, schema), { index, usage, taken }, onProgress)
    const ids = streams.map(({ id }) => id)
    const result = await verifyLedgerBehind(blocks, {
      ...trust,
      truncationPoints,
      begins,
      streams: ids,
      index: checked,
    })
    // Sums of records that are not in order mean nothing.
    if (result.firstBroken !== undefined) return result
    const firstBroken = usage.finding() ?? arriving
    return { ...result, firstBroken, notes: [...result.notes, ...usage.notes()] }
  }, 'ISOLATION LEVEL REPEATABLE READ READ ONLY')
}

const progressMs = 500
/** Blocks after which the usage is compared that is complete by then. */
const comparedBlocks = 512

interface Preparing {
  readonly index: PostedIndexCheck
  readonly usage: UsageCheck
  /** Blocks whose records are summed up and not verified. */
  readonly taken: ReadonlySet<number>
}

/** Reads of the index what the check of each block needs. */
async function* prepared(
  blocks: AsyncIterable<LedgerBlock>,
  { index, usage, taken }: Preparing,
  report: ((records: number) => void) | undefined,
): AsyncGenerator<LedgerBlock, void, undefined> {
  let records = 0
  let blocksSince = 0
  let next = performance.now() + progressMs
  for await (const block of blocks) {
    await index.prepare(block.id)
    if (!taken.has(block.id)) yield block
    usage.add(block)
    blocksSince += 1
    if (blocksSince >= comparedBlocks) {
      await usage.compare(block.id)
      blocksSince = 0
    }
    records += block.count
    if (performance.now() < next) continue
    report?.(records)
    next = performance.now() + progressMs
  }
  await index.prepare()
  await usage.compare()
}

interface Beside {
  /** What is wrong with the tables; undefined for nothing. */
  readonly tables: string | undefined
  readonly change: SaidChanges
}

/** All that is checked beside the chains, block by block and at the end. */
function checkAll(
  index: PostedIndexCheck,
  streams: StreamsCheck,
  { tables, change }: Beside,
): LedgerIndexCheck {
  const changes = createChangesCheck()
  const other = (): LedgerFinding | undefined =>
    tables === undefined ? undefined : changes.find('index_changed', tables)
  return {
    check(block) {
      const finding = other() ?? index.check(block)
      if (finding !== undefined) return finding
      streams.note(block)
      changes.note(block)
      return undefined
    },
    end: () => other() ?? streams.end() ?? index.end() ?? changes.end(change),
  }
}

/**
 * Whether the tables are those that a ledger is made with: a view in the place of one, a rule or a
 * trigger could show queries something else than what verification reads.
 */
async function findOtherTables(query: Query, schema: string): Promise<string | undefined> {
  const rows = await query<{ relname: string }>(
    `SELECT relname FROM pg_catalog.pg_class
     WHERE relnamespace = $1::regnamespace AND relname = ANY($2::text[]) AND relkind = 'r' AND relpersistence = 'p'
       AND NOT relhasrules AND NOT relhastriggers AND NOT relrowsecurity AND NOT relhassubclass`,
    [schema, ledgerTables],
  )
  const plain = rows.map(({ relname }) => relname)
  const other = ledgerTables.find((name) => !plain.includes(name))
  return other === undefined
    ? undefined
    : `${other} is not the table that a ledger is made with: it is missing, or has a rule, a trigger or a policy`
}

async function readChanges(query: Query, schema: string): Promise<SaidChanges> {
  const keeper = 'the database'
  const [kept] = await query<{ change: number; keys: string | null }>(
    `SELECT change, to_regclass($1)::text AS keys FROM ${schema}.recorded_change`,
    [`${schema}.changes`],
  )
  if (kept === undefined) return { keeper, kept: 0, readStored: () => undefined }
  if (kept.keys === null) return { keeper, kept: kept.change, readStored: () => undefined }
  const [keys] = await query<{ number: number }>(`SELECT number FROM ${schema}.changes`)
  return { keeper, kept: kept.change, readStored: () => keys?.number }
}
