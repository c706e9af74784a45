import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { KeyRecord } from '../../keys/record/key-record.ts'
import { viewKey } from '../../keys/record/views.ts'
import type { Ward } from '../../ward/ward.ts'
import { CliError, type ErrorPart, usageError } from '../cli-error.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { print, printJson, tell } from '../terminal/output.ts'
import { formatTable } from '../terminal/table.ts'
import { terminalWidth } from '../terminal/terminal.ts'
import { type ImportedLine, readImportedLines } from './import-lines.ts'
import { addExamples } from './key-options.ts'
import { withKeys } from './open-keys.ts'
import { keyColumns } from './print-key.ts'

export function defineKeysImport(command: Command): void {
  command
    .argument('<file>', 'JSON Lines or a JSON array; - is standard input')
    .addHelpText(
      'after',
      '\nA line is {"sha256":…,"name":…} with owner, environment, scopes, addresses, limits, metadata, not_before and\n' +
        'expires_at or expires_in where wanted. `sha256` is that of the whole key: 64 hex characters, or 32 bytes in base64 or base64url.\n' +
        'All keys are imported or, where any line is faulty, none.',
    )
    .action(importKeys)
  addCommonOptions(command)
  addExamples(command, 'keys import keys.jsonl', 'keys import - --json < keys.json')
}

async function importKeys(file: string, options: CommonOptions): Promise<void> {
  const loaded = loadCommandConfig(options)
  const text = file === '-' ? await readStdin() : readText(file)
  const { lines, faults } = readImportedLines(text, loaded.config.environment)
  refuse(faults)
  if (lines.length === 0) throw new CliError('input_invalid', 'file: expected at least one key, got none')
  const records = await withKeys(loaded, true, async (ward) => {
    refuse(await findTaken(ward, lines))
    return ward.keys.import(lines.map(({ key }) => key))
  })
  await printImported(records, options.json === true)
}

/** All of standard input. */
async function readStdin(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'an error'
    throw usageError('file', `expected a file that can be read, got ${code}`)
  }
}

function refuse(faults: readonly ErrorPart[]): void {
  const [only] = faults
  if (only === undefined) return
  const message =
    faults.length === 1 ? `${only.where}: ${only.message}` : `${faults.length} faults in the file`
  throw new CliError('input_invalid', `${message}; nothing was imported`, faults)
}

/**
 * Keys that were imported before, with their lines; the import itself would say only that there is
 * one.
 */
async function findTaken({ keys }: Ward, lines: readonly ImportedLine[]): Promise<readonly ErrorPart[]> {
  const faults: ErrorPart[] = []
  for (const { where, key } of lines) {
    const taken = await keys.findImported(key.sha256)
    if (taken !== undefined)
      faults.push({ where, message: `sha256: this key was imported before, as ${taken.id}` })
  }
  return faults
}

async function printImported(records: readonly KeyRecord[], asJson: boolean): Promise<void> {
  const now = Date.now()
  const views = records.map((record) => viewKey(record, now))
  if (asJson) return printJson({ imported: views.length, keys: views })
  await print(formatTable(views, keyColumns, terminalWidth()))
  tell(`Imported ${views.length} ${views.length === 1 ? 'key' : 'keys'}.`)
}
