import { type Command, Option } from 'commander'
import { findKeyNames } from '../../keys/store/key-names.ts'
import type { UsageGroup, UsageQuery, UsageRow } from '../../ledger/ledger.ts'
import { formatUsageCsv } from '../../ledger/query/usage-csv.ts'
import {
  keyIdsOf,
  parseUsageGroups,
  type UsageView,
  usageDefaults,
  usageGroups,
  viewUsage,
} from '../../ledger/query/usage-view.ts'
import { inspectStorage } from '../../ward/open-storage.ts'
import { usageError } from '../cli-error.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig, placeOf } from '../common-options.ts'
import { addExamples, checkKeyId } from '../keys/key-options.ts'
import { print, printJson, tell } from '../terminal/output.ts'
import { type Column, formatTable } from '../terminal/table.ts'
import { terminalWidth } from '../terminal/terminal.ts'
import { addSpan, readSpan, type SpanOptions, withLedger } from './ledger-command.ts'

interface UsageOptions extends CommonOptions, SpanOptions {
  readonly key?: string
  readonly owner?: string
  readonly by?: string
  readonly csv?: true
}

export function defineUsage(command: Command): void {
  command
    .option('--key <id>', 'Only what this key used')
    .option('--owner <owner>', 'Only what this owner used')
    .option(
      '--by <groups>',
      `Columns that group the rows: any of ${usageGroups.join(', ')}, joined by commas (default: key,day)`,
    )
  addSpan(command)
    .addOption(new Option('--csv', 'Print CSV, of what customers are charged for').conflicts('json'))
    .action(async (options: UsageOptions) => {
      const query = readQuery(options, Date.now())
      const rows = await withLedger(options, (ledger) => ledger.usage(query))
      const names = await readNames(options, rows)
      await printUsage(
        rows.map((row) => viewUsage(row, names)),
        query,
        options,
      )
    })
  addCommonOptions(command)
  command.addHelpText(
    'after',
    '\nCounts the requests in the ledger; days and months are UTC. OPERATIONAL counts requests that no customer is charged for,\nwhich REQUESTS, ADMITTED, MEASURES and latencies leave out. Without --since: today and the 29 days before it, or before --until.',
  )
  addExamples(
    command,
    'usage --by owner --since 2027-01-01 --until 2027-02-01',
    'usage --by owner,model,month --csv --since 2027-01-01',
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

async function readNames(
  options: CommonOptions,
  rows: readonly UsageRow[],
): Promise<ReadonlyMap<string, string>> {
  const ids = keyIdsOf(rows)
  if (ids.size === 0) return new Map()
  const loaded = loadCommandConfig(options)
  const keys = await (await inspectStorage(placeOf(loaded))).openKeys(loaded.secrets)
  if (keys === undefined) return new Map()
  try {
    return await findKeyNames(keys, ids)
  } finally {
    await keys.close()
  }
}

async function printUsage(
  views: readonly UsageView[],
  query: UsageQuery,
  { json, csv }: UsageOptions,
): Promise<void> {
  if (json === true) return printJson({ usage: views })
  if (csv === true) return print(formatUsageCsv(views))
  if (views.length === 0) tell('Nothing was used.')
  await print(formatTable(views, columnsFor(query.by), terminalWidth()))
}

function columnsFor(by: UsageQuery['by']): readonly Column<UsageView>[] {
  return [...by.flatMap((group) => groupColumns[group]), ...figureColumns]
}

const groupColumns: Readonly<Record<UsageGroup, readonly Column<UsageView>[]>> = {
  key: [
    { title: 'KEY', cell: (view) => view.key_id ?? '-' },
    { title: 'NAME', cell: (view) => view.key_name ?? '-', mayCut: true },
  ],
  owner: [{ title: 'OWNER', cell: ownerOf, mayCut: true }],
  route: [{ title: 'ROUTE', cell: ({ route }) => route ?? '-', mayCut: true }],
  model: [{ title: 'MODEL', cell: ({ model }) => model ?? '-', mayCut: true }],
  day: [{ title: 'DAY', cell: ({ day }) => day ?? '-' }],
  month: [{ title: 'MONTH', cell: ({ month }) => month ?? '-' }],
}

/** A key without an owner is its own. */
function ownerOf(view: UsageView): string {
  return view.owner === null || view.owner === view.key_id ? '-' : view.owner
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
