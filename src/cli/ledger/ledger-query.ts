import type { Command } from 'commander'
import type { LedgerPage, LedgerQuery } from '../../ledger/ledger.ts'
import { viewLedgerRecord } from '../../ledger/query/record-view.ts'
import { addCommonOptions } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { pageSize, pageSizeMax, parsePageSize } from '../page-size.ts'
import { print, printJson, tell } from '../terminal/output.ts'
import { formatTable } from '../terminal/table.ts'
import { terminalWidth } from '../terminal/terminal.ts'
import {
  addLedgerFilters,
  checkPosition,
  hiddenEvents,
  type LedgerFilterOptions,
  readShownFilter,
  withLedger,
} from './ledger-command.ts'
import { ledgerColumnsFor } from './ledger-line.ts'

interface QueryOptions extends LedgerFilterOptions {
  readonly limit?: string
  readonly after?: string
  readonly oldest?: true
}

export function defineLedgerQuery(command: Command): void {
  addLedgerFilters(command)
    .option('--limit <n>', `How many at most, 1 to ${pageSizeMax} (default: ${pageSize})`)
    .option('--after <position>', 'Go on after this record, as the page before said')
    .option('--oldest', 'In the order they were written; otherwise the newest first')
    .action(async (options: QueryOptions) => {
      const query = readQuery(options, Date.now())
      await withLedger(options, async (ledger) => printPage(await ledger.query(query), options))
    })
  addCommonOptions(command)
  command.addHelpText('after', hiddenEvents)
  addExamples(
    command,
    'ledger query --key 7Qm2xT0bKc9Z --since 24h',
    'ledger query --code rate_limited --limit 1000 --json',
  )
}

function readQuery(options: QueryOptions, now: number): LedgerQuery {
  return {
    ...readShownFilter(options, now),
    limit: parsePageSize(options.limit),
    order: options.oldest === true ? 'oldest' : 'newest',
    after: options.after === undefined ? undefined : checkPosition('--after', options.after),
  }
}

async function printPage({ records, next }: LedgerPage, { json, limit }: QueryOptions): Promise<void> {
  const views = records.map(viewLedgerRecord)
  if (json === true) return printJson({ records: views, next: next ?? null })
  if (views.length === 0) tell('No records.')
  const width = terminalWidth()
  await print(formatTable(views, ledgerColumnsFor(views, width), width))
  // In the order they were written there is always a place to go on from; more are there only where
  // the page is full.
  if (next !== undefined && views.length === parsePageSize(limit)) tell(`More may follow: --after ${next}`)
}
