import { type Command, Option } from 'commander'
import type { KeyRecord } from '../../keys/record/key-record.ts'
import { type KeyStatus, keyStatuses } from '../../keys/record/key-status.ts'
import { viewKey } from '../../keys/record/views.ts'
import { formatKeyCursor, parseKeyCursor } from '../../keys/store/cursors.ts'
import { type KeyPage, type KeyQuery, type KeySort, keySorts } from '../../keys/store/key-store.ts'
import type { Ward } from '../../ward/ward.ts'
import { usageError } from '../cli-error.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { pageSize, pageSizeMax, parsePageSize } from '../page-size.ts'
import { print, tell } from '../terminal/output.ts'
import { parseHowLong } from '../terminal/parse-when.ts'
import { formatTable } from '../terminal/table.ts'
import { terminalWidth } from '../terminal/terminal.ts'
import { addExamples } from './key-options.ts'
import { withKeys } from './open-keys.ts'
import { keyColumns } from './print-key.ts'
import { refuseDamaged } from './refuse-damaged.ts'

interface ListOptions extends CommonOptions {
  readonly owner?: string
  readonly scope?: string
  readonly environment?: 'live' | 'test'
  readonly status?: KeyStatus
  readonly name?: string
  readonly unused?: string
  readonly sort: string
  readonly limit?: string
  readonly cursor?: string
  readonly all?: true
}

export function defineKeysList(command: Command): void {
  command
    .option('--owner <owner>', 'Only keys of this owner')
    .option('--scope <scope>', 'Only keys with this scope')
    .addOption(new Option('--environment <name>', 'Only keys of this environment').choices(['live', 'test']))
    .addOption(new Option('--status <status>', 'Only keys with this status now').choices(keyStatuses))
    .option('--name <text>', 'Only keys whose name contains this, in small letters or capitals')
    .option('--unused <duration>', 'Only keys that were not used for so long, such as 90d, and made before')
    .addOption(
      new Option('--sort <field>', 'What to sort by; with a minus in front, the greatest first')
        .choices(keySorts.flatMap((sort) => [sort, `-${sort}`]))
        .default('-created_at'),
    )
    .option('--limit <n>', `How many at most, 1 to ${pageSizeMax} (default: ${pageSize})`)
    .option('--cursor <cursor>', 'Go on after this cursor, which the page before printed')
    .addOption(new Option('--all', 'All of them').conflicts(['limit', 'cursor']))
    .action(async (options: ListOptions) => {
      const query = readQuery(options, Date.now())
      await withKeys(loadCommandConfig(options), false, (ward) =>
        (options.json === true ? printPagesAsJson : printPages)(ward, query, options.all === true),
      )
    })
  addCommonOptions(command)
  addExamples(
    command,
    'keys list --status expired',
    'keys list --owner acme --sort name --all --json',
    'keys list --unused 90d --sort last_used_at',
  )
}

function readQuery(options: ListOptions, now: number): KeyQuery {
  const sort = options.sort.replace(/^-/, '') as KeySort
  return {
    sort,
    descending: options.sort.startsWith('-'),
    limit: options.all === true ? pageSizeMax : parsePageSize(options.limit),
    after: readCursor(options.cursor, sort),
    owner: options.owner,
    scope: options.scope,
    environment: options.environment,
    status: options.status && { is: options.status, now },
    nameContains: options.name,
    unusedSince: readUnused(options.unused, now),
  }
}

function readUnused(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined
  return now - parseHowLong('--unused', text)
}

function readCursor(text: string | undefined, sort: KeySort): KeyQuery['after'] {
  if (text === undefined) return undefined
  const after = parseKeyCursor(text, sort)
  if (after === undefined) throw usageError('--cursor', `expected the cursor of a page sorted by ${sort}`)
  return after
}

/** One page, or all of them one after the other, so that no number of keys fills the memory. */
async function* readPages({ keys }: Ward, query: KeyQuery, all: boolean): AsyncGenerator<KeyPage> {
  let page = await keys.list(query)
  yield page
  while (all && page.hasMore) {
    const after = parseKeyCursor(nextCursor(page, query) ?? '', query.sort)
    page = await keys.list({ ...query, after })
    yield page
  }
}

function nextCursor({ keys, hasMore }: KeyPage, { sort }: KeyQuery): string | null {
  const last = keys.at(-1)
  return hasMore && last !== undefined ? formatKeyCursor(last, sort) : null
}

/** One JSON document, written as the pages come. */
async function printPagesAsJson(ward: Ward, query: KeyQuery, all: boolean): Promise<void> {
  const damaged = new Set<string>()
  let before = '{"keys":['
  let cursor: string | null = null
  for await (const page of readPages(ward, query, all)) {
    for (const id of page.damaged ?? []) damaged.add(`key ${id}`)
    const views = page.keys.map((key) => JSON.stringify(viewKey(key, Date.now())))
    await print(before + views.join(','))
    before = ','
    cursor = nextCursor(page, query)
  }
  await print(`],"next_cursor":${JSON.stringify(cursor)}}\n`)
  refuseDamaged(damaged)
}

async function printPages(ward: Ward, query: KeyQuery, all: boolean): Promise<void> {
  const keys: KeyRecord[] = []
  const damaged = new Set<string>()
  let cursor: string | null = null
  for await (const page of readPages(ward, query, all)) {
    for (const id of page.damaged ?? []) damaged.add(`key ${id}`)
    keys.push(...page.keys)
    cursor = nextCursor(page, query)
  }
  if (keys.length === 0 && damaged.size === 0) tell('No keys.')
  const now = Date.now()
  await print(
    formatTable(
      keys.map((key) => viewKey(key, now)),
      keyColumns,
      terminalWidth(),
    ),
  )
  if (cursor !== null) tell(`More follow: --cursor ${cursor}, or --all.`)
  refuseDamaged(damaged)
}
