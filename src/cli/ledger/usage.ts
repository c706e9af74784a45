import type { Command } from 'commander'
import type { LedgerReader, UsageQuery } from '../../ledger/ledger.ts'
import {
  parseUsageGroups,
  type UsageView,
  usageDefaults,
  usageGroups,
  viewUsage,
} from '../../ledger/query/usage-view.ts'
import { usageError } from '../cli-error.ts'
import { addCommonOptions, type CommonOptions } from '../common-options.ts'
import { addExamples, checkKeyId } from '../keys/key-options.ts'
import { print, printJson, tell } from '../terminal/output.ts'
import { type Column, formatTable } from '../terminal/table.ts'
import { terminalWidth } from '../terminal/terminal.ts'
import { addSpan, readSpan, type SpanOptions, withLedger } from './ledger-command.ts'

interface UsageOptions extends CommonOptions, SpanOptions {
  readonly key?: string
  readonly owner?: string
  readonly by?: string
}

export function defineUsage(command: Command): void {
  command
    .option('--key <id>', 'Only what this key used')
    .option('--owner <owner>', 'Only what this owner used')
    .option(
      '--by <groups>',
      `Columns that group the rows: any of ${usageGroups.join(', ')}, joined by commas (default: key,day)`,
    )
  addSpan(command).action(async (options: UsageOptions) => {
    const query = readQuery(options, Date.now())
    await withLedger(options, (ledger) => printUsage(ledger, query, options.json === true))
  })
  addCommonOptions(command)
  command.addHelpText(
    'after',
    '\nCounts the requests in the ledger; days are UTC. Without --since: today and the 29 days before it, or before --until.',
  )
  addExamples(
    command,
    'usage --by owner --since 2027-01-01 --until 2027-02-01',
    'usage --key 7Qm2xT0bKc9Z --json',
  )
}

function readQuery({ key, owner, by, ...span }: UsageOptions, now: number): UsageQuery {
  const { since, until } = readSpan(span, now)
  const defaults = usageDefaults(until ?? now)
  return {
    keyId: key === undefined ? undefined : checkKeyId(key, '--key'),
    owner,
    since: since ?? defaults.since,
    until,
    by: by === undefined ? defaults.by : readGroups(by),
  }
}

function readGroups(text: string): UsageQuery['by'] {
  const groups = parseUsageGroups(text)
  if (groups !== undefined) return groups
  throw usageError(
    '--by',
    `expected any of ${usageGroups.join(', ')}, each once and joined by commas, got ${JSON.stringify(text)}`,
  )
}

async function printUsage(ledger: LedgerReader, query: UsageQuery, asJson: boolean): Promise<void> {
  const views = (await ledger.usage(query)).map(viewUsage)
  if (asJson) return printJson({ usage: views })
  if (views.length === 0) tell('Nothing was used.')
  await print(formatTable(views, columnsFor(query.by), terminalWidth()))
}

function columnsFor(by: UsageQuery['by']): readonly Column<UsageView>[] {
  return [...by.map((group) => groupColumns[group]), ...figureColumns]
}

const groupColumns: Readonly<Record<UsageQuery['by'][number], Column<UsageView>>> = {
  key: { title: 'KEY', cell: (view) => view.key_id ?? '-' },
  owner: { title: 'OWNER', cell: ({ owner }) => owner ?? '-', mayCut: true },
  day: { title: 'DAY', cell: ({ day }) => day ?? '-' },
}

const figureColumns: readonly Column<UsageView>[] = [
  { title: 'REQUESTS', cell: ({ requests }) => String(requests) },
  { title: 'ADMITTED', cell: ({ admitted }) => String(admitted) },
  { title: 'OPERATIONAL', cell: ({ operational }) => String(operational) },
  { title: 'REFUSED', cell: ({ refused }) => counts(refused), mayCut: true },
  { title: 'MEASURES', cell: ({ measures }) => counts(measures), mayCut: true },
  { title: 'P50 MS', cell: (view) => milliseconds(view.latency_ms?.p50) },
  { title: 'P95 MS', cell: (view) => milliseconds(view.latency_ms?.p95) },
  { title: 'P99 MS', cell: (view) => milliseconds(view.latency_ms?.p99) },
]

function counts(byName: Readonly<Record<string, number>>): string {
  const named = Object.entries(byName).map(([name, count]) => `${name} ${count}`)
  return named.length === 0 ? '-' : named.join(', ')
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? '-' : String(Math.round(value * 10) / 10)
}
