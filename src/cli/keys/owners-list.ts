import { type Command, Option } from 'commander'
import type { OwnerService } from '../../keys/owners/owner-service.ts'
import type { OwnerRecord } from '../../keys/record/owner-record.ts'
import { type OwnerView, viewOwner } from '../../keys/record/views.ts'
import { formatOwnerCursor, parseOwnerCursor } from '../../keys/store/cursors.ts'
import type { OwnerPage, OwnerQuery } from '../../keys/store/key-store.ts'
import { usageError } from '../cli-error.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { pageSize, pageSizeMax, parsePageSize } from '../page-size.ts'
import { print, tell } from '../terminal/output.ts'
import { type Column, formatTable } from '../terminal/table.ts'
import { terminalWidth } from '../terminal/terminal.ts'
import { addExamples } from './key-options.ts'
import { withKeys } from './open-keys.ts'
import { list } from './print-key.ts'
import { refuseDamaged } from './refuse-damaged.ts'

interface ListOptions extends CommonOptions {
  readonly limit?: string
  readonly cursor?: string
  readonly all?: true
}

export function defineOwnersList(command: Command): void {
  command
    .option('--limit <n>', `How many at most, 1 to ${pageSizeMax} (default: ${pageSize})`)
    .option('--cursor <cursor>', 'Go on after this cursor, which the page before printed')
    .addOption(new Option('--all', 'All of them').conflicts(['limit', 'cursor']))
    .action(async (options: ListOptions) => {
      const query = readQuery(options)
      await withKeys(loadCommandConfig(options), false, ({ owners }) =>
        (options.json === true ? printPagesAsJson : printPages)(owners, query, options.all === true),
      )
    })
  addCommonOptions(command)
  addExamples(command, 'owners list', 'owners list --all --json')
}

function readQuery({ limit, cursor, all }: ListOptions): OwnerQuery {
  const size = all === true ? pageSizeMax : parsePageSize(limit)
  if (cursor === undefined) return { limit: size }
  const after = parseOwnerCursor(cursor)
  if (after === undefined) throw usageError('--cursor', 'expected the cursor of a page')
  return { limit: size, after }
}

/** One page, or all of them one after the other. */
async function* readPages(owners: OwnerService, query: OwnerQuery, all: boolean): AsyncGenerator<OwnerPage> {
  let page = await owners.list(query)
  yield page
  for (let last = page.owners.at(-1); all && page.hasMore && last !== undefined; last = page.owners.at(-1)) {
    page = await owners.list({ ...query, after: last.owner })
    yield page
  }
}

function nextCursor({ owners, hasMore }: OwnerPage): string | null {
  const last = owners.at(-1)
  return hasMore && last !== undefined ? formatOwnerCursor(last.owner) : null
}

/** One JSON document, written as the pages come. */
async function printPagesAsJson(owners: OwnerService, query: OwnerQuery, all: boolean): Promise<void> {
  const damaged = new Set<string>()
  let before = '{"owners":['
  let cursor: string | null = null
  for await (const page of readPages(owners, query, all)) {
    for (const owner of page.damaged ?? []) damaged.add(`owner ${owner}`)
    await print(before + page.owners.map((record) => JSON.stringify(viewOwner(record))).join(','))
    before = ','
    cursor = nextCursor(page)
  }
  await print(`],"next_cursor":${JSON.stringify(cursor)}}\n`)
  refuseDamaged(damaged)
}

const columns: readonly Column<OwnerView>[] = [
  { title: 'OWNER', cell: (view) => view.owner },
  { title: 'LIMITS', cell: (view) => list(view.limits), mayCut: true },
  { title: 'UPDATED', cell: (view) => view.updated_at.slice(0, 16), mayCut: true },
]

async function printPages(owners: OwnerService, query: OwnerQuery, all: boolean): Promise<void> {
  const records: OwnerRecord[] = []
  const damaged = new Set<string>()
  let cursor: string | null = null
  for await (const page of readPages(owners, query, all)) {
    for (const owner of page.damaged ?? []) damaged.add(`owner ${owner}`)
    records.push(...page.owners)
    cursor = nextCursor(page)
  }
  if (records.length === 0 && damaged.size === 0) tell('No owner has limits.')
  await print(formatTable(records.map(viewOwner), columns, terminalWidth()))
  if (cursor !== null) tell(`More follow: --cursor ${cursor}, or --all.`)
  refuseDamaged(damaged)
}
