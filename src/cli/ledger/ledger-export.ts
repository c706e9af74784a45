import { type Command, Option } from 'commander'
import type { LedgerReader } from '../../ledger/ledger.ts'
import { formatLedgerCsvRow, ledgerCsvHeader } from '../../ledger/query/csv.ts'
import { type LedgerRecordView, viewLedgerRecord } from '../../ledger/query/record-view.ts'
import { usageError } from '../cli-error.ts'
import { addCommonOptions } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { print, printJson, tell } from '../terminal/output.ts'
import { openOutputFile } from '../terminal/output-file.ts'
import { addLedgerFilters, type LedgerFilterOptions, readLedgerFilter, withLedger } from './ledger-command.ts'
import { readLedger } from './read-ledger.ts'

interface ExportOptions extends LedgerFilterOptions {
  readonly format: 'jsonl' | 'csv'
  readonly output?: string
  readonly force?: true
}

interface ExportFormat {
  readonly header: string
  readonly row: (view: LedgerRecordView) => string
}

const formats: Readonly<Record<ExportOptions['format'], ExportFormat>> = {
  jsonl: { header: '', row: (view) => `${JSON.stringify(view)}\n` },
  csv: { header: ledgerCsvHeader, row: formatLedgerCsvRow },
}

export function defineLedgerExport(command: Command): void {
  command
    .addOption(
      new Option('--format <format>', 'JSON Lines or CSV')
        .choices(Object.keys(formats))
        .makeOptionMandatory(),
    )
    .option('--output <file>', 'Write to this new file, 0600, in place of standard output')
    .option('--force', 'Replace the file where it is there')
  addLedgerFilters(command).action(async (options: ExportOptions) => {
    const { output, force } = options
    if (force === true && output === undefined) throw usageError('--force', 'expected --output as well')
    await withLedger(options, async (ledger) => {
      if (output === undefined) await writeRecords(ledger, options, print)
      else await exportToFile(ledger, options, output)
    })
  })
  addCommonOptions(command)
  command.addHelpText(
    'after',
    '\nWrites what is there when it begins, the oldest first, whatever the size. CSV follows RFC 4180; measures and detail are\n' +
      'JSON. A text that a spreadsheet would take for a formula (= + - @, a tab or line end in front), or that begins with an\n' +
      'apostrophe, gets an apostrophe in front; programs that read the file remove it. A file is whole or not there.',
  )
  addExamples(
    command,
    'ledger export --format jsonl --since 30d | gzip > ledger.jsonl.gz',
    'ledger export --format csv --owner acme --output acme.csv',
  )
}

async function exportToFile(ledger: LedgerReader, options: ExportOptions, path: string): Promise<void> {
  const file = await openOutputFile('--output', path, { replaces: options.force === true })
  try {
    const records = await writeRecords(ledger, options, file.write)
    await file.finish()
    if (options.json === true) await printJson({ file: path, records })
    else tell(`${path}: ${records} records.`)
  } finally {
    await file.close()
  }
}

/**
 * Writes page by page, each when the one before has been taken; gives how many records there were.
 */
async function writeRecords(
  ledger: LedgerReader,
  options: ExportOptions,
  write: (text: string) => Promise<void>,
): Promise<number> {
  const { header, row } = formats[options.format]
  const filter = readLedgerFilter(options, Date.now())
  let count = 0
  if (header !== '') await write(header)
  for await (const records of readLedger(ledger, filter)) {
    await write(records.map((record) => row(viewLedgerRecord(record))).join(''))
    count += records.length
  }
  return count
}
