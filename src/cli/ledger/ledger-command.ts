import type { Command } from 'commander'
import { suggest } from '../../core/suggest.ts'
import { isLedgerEvent, type LedgerEvent, ledgerCodes, ledgerEvents } from '../../ledger/format/event.ts'
import { parsePosition } from '../../ledger/format/position.ts'
import type { LedgerFilter, LedgerReader } from '../../ledger/ledger.ts'
import { inspectStorage } from '../../ward/open-storage.ts'
import { usageError } from '../cli-error.ts'
import { type CommonOptions, loadCommandConfig, placeOf } from '../common-options.ts'
import { checkKeyId } from '../keys/key-options.ts'
import { tell } from '../terminal/output.ts'
import { parseWhenAgo } from '../terminal/parse-when.ts'

/** Which span of time. */
export interface SpanOptions {
  readonly since?: string
  readonly until?: string
}

/** Which records, as flags say it. */
export interface LedgerFilterOptions extends CommonOptions, SpanOptions {
  readonly key?: string
  readonly owner?: string
  readonly code?: string
  readonly event?: string
  readonly route?: string
  readonly request?: string
}

/** Adds `--since` and `--until`. */
export function addSpan(command: Command): Command {
  return command
    .option('--since <when>', 'From this moment on: a duration ago, such as 24h, or a time in ISO 8601')
    .option('--until <when>', 'Before this moment')
}

/** Adds the flags that choose records; all that are given must hold. */
export function addLedgerFilters(command: Command): Command {
  command
    .option('--key <id>', 'Only records of this key')
    .option('--owner <owner>', 'Only records of this owner')
    .option('--code <code>', 'Only what was answered with this code, such as rate_limited')
    .option(
      '--event <event>',
      'Only records of this event, such as request.refused, or of a group, such as key.*',
    )
    .option('--route <pattern>', 'Only requests to this route, as the app declares it: /jobs/:id')
    .option('--request <id>', 'Only records of this request')
  return addSpan(command)
}

/** Reads them. @throws CliError `usage_invalid` */
export function readLedgerFilter(options: LedgerFilterOptions, now: number): LedgerFilter {
  const { key, owner, code, event, route, request } = options
  if (code !== undefined && !ledgerCodes.includes(code)) throw notOneOf('--code', code, ledgerCodes)
  return {
    keyId: key === undefined ? undefined : checkKeyId(key, '--key'),
    owner,
    code,
    events: event === undefined ? undefined : readEvents(event),
    route,
    requestId: request,
    ...readSpan(options, now),
  }
}

/**
 * Reads them for people, who did not come for the ledger's own records: those are left out unless
 * `--event` asks for them.
 *
 * @throws CliError `usage_invalid`
 */
export function readShownFilter(options: LedgerFilterOptions, now: number): LedgerFilter {
  const filter = readLedgerFilter(options, now)
  return { ...filter, events: filter.events ?? allEvents.filter((event) => !event.startsWith('ledger.')) }
}

/** What help says of it. */
export const hiddenEvents =
  "\nLeaves out the ledger’s own records, such as checkpoints: `--event 'ledger.*'` shows them, `--event '*'` all."

const allEvents = Object.keys(ledgerEvents) as readonly LedgerEvent[]

/** An event, or all that begin with what stands before the asterisk. */
function readEvents(text: string): readonly LedgerEvent[] {
  if (isLedgerEvent(text)) return [text]
  const found = text.endsWith('*') ? allEvents.filter((event) => event.startsWith(text.slice(0, -1))) : []
  if (found.length === 0) throw notOneOf('--event', text, allEvents)
  return found
}

/** Reads `--since` and `--until`. @throws CliError `usage_invalid` */
export function readSpan(
  { since: from, until: to }: SpanOptions,
  now: number,
): Pick<LedgerFilter, 'since' | 'until'> {
  const since = from === undefined ? undefined : parseWhenAgo('--since', from, now)
  const until = to === undefined ? undefined : parseWhenAgo('--until', to, now)
  if (since !== undefined && until !== undefined && since >= until)
    throw usageError('--until', 'expected a moment after that of --since')
  return { since, until }
}

/** Reads the position of a record. @throws CliError `usage_invalid` */
export function checkPosition(flag: string, text: string): string {
  if (parsePosition(text) !== undefined) return text
  throw usageError(flag, `expected the position of a record, such as 12.3, got ${JSON.stringify(text)}`)
}

/**
 * Opens the deployment's ledger to read it for one command. One that does not exist yet reads as
 * empty, which a note says, and is read once it exists.
 */
export async function withLedger<T>(
  options: CommonOptions,
  use: (ledger: LedgerReader) => Promise<T>,
): Promise<T> {
  const { ledger } = await inspectStorage(placeOf(loadCommandConfig(options)))
  if (!(await ledger.exists()) && options.json !== true) tell(`${ledger.name}: there is no ledger yet.`)
  const reader = await ledger.openReader()
  try {
    return await use(reader)
  } finally {
    await reader.close()
  }
}

function notOneOf(flag: string, text: string, names: readonly string[]): Error {
  const near = suggest(text, names)
  const hint = near === undefined ? '' : ` (did you mean ${near}?)`
  return usageError(flag, `expected one of ${names.join(', ')}, got ${JSON.stringify(text)}${hint}`)
}
