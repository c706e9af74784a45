import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import type { LedgerRecord } from '../../ledger/format/record.ts'
import { viewLedgerRecord } from '../../ledger/query/record-view.ts'
import { usageError } from '../cli-error.ts'
import { addCommonOptions } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { print } from '../terminal/output.ts'
import {
  addLedgerFilters,
  hiddenEvents,
  type LedgerFilterOptions,
  readShownFilter,
  withLedger,
} from './ledger-command.ts'
import { formatLedgerLine, ledgerLineTitles } from './ledger-line.ts'
import { followLedger } from './read-ledger.ts'

interface TailOptions extends LedgerFilterOptions {
  readonly follow?: true
  readonly lines?: string
}

/**
 * How often new records are looked for. Each look is one search by position, and people do not see
 * a shorter pause.
 */
const pollMs = 250
const linesDefault = 10
const linesMax = 1_000

export function defineLedgerTail(command: Command): void {
  command
    .option('-f, --follow', 'Go on with new records as they come, until it is interrupted')
    .option('--lines <n>', `How many to begin with, 0 to ${linesMax} (default: ${linesDefault})`)
  addLedgerFilters(command).action(async (options: TailOptions) => {
    const filter = readShownFilter(options, Date.now())
    const lines = parseLines(options.lines)
    const wait = options.follow === true ? untilInterrupted() : async () => false
    await withLedger(options, async (ledger) => {
      // The titles come with the first record.
      let above = options.json === true ? '' : ledgerLineTitles
      for await (const records of followLedger({ ledger, filter, lines, wait })) {
        if (records.length === 0) continue
        await print(above + formatRecords(records, options.json === true))
        above = ''
      }
    })
  })
  addCommonOptions(command)
  command.addHelpText(
    'after',
    `${hiddenEvents}\nWith --json each record is a JSON document on a line of its own.`,
  )
  addExamples(command, 'ledger tail -f', 'ledger tail -f --event request.refused --json')
}

function formatRecords(records: readonly LedgerRecord[], asJson: boolean): string {
  const format = asJson ? JSON.stringify : formatLedgerLine
  return records.map((record) => `${format(viewLedgerRecord(record))}\n`).join('')
}

function parseLines(text: string | undefined): number {
  if (text === undefined) return linesDefault
  const lines = Number(text)
  if (!/^\d{1,4}$/.test(text) || lines > linesMax)
    throw usageError('--lines', `expected an integer from 0 to ${linesMax}, got ${JSON.stringify(text)}`)
  return lines
}

/**
 * Waits for the next look; false once SIGINT or SIGTERM has come, which is how watching ends well.
 * A second one ends the process.
 */
function untilInterrupted(): () => Promise<boolean> {
  const ended = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort())
  return async () => {
    await delay(pollMs, undefined, { signal: ended.signal }).catch(() => {})
    return !ended.signal.aborted
  }
}
