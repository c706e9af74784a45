import type { Command } from 'commander'
import type { LoadedConfig } from '../../config/load-config.ts'
import { type KeyStatus, keyStatusAt } from '../../keys/record/key-status.ts'
import type { StorageInspection } from '../../storage/storage.ts'
import { inspectStorage } from '../../ward/open-storage.ts'
import { CliError, usageError } from '../cli-error.ts'
import {
  addCommonOptions,
  type CommonOptions,
  loadCommandConfig,
  placeOf,
  settingOption,
} from '../common-options.ts'
import { describeError } from '../describe-error.ts'
import { exitCodes } from '../exit-code.ts'
import { addExamples } from '../keys/key-options.ts'
import { printable } from '../terminal/display-width.ts'
import { print, printJson, tell } from '../terminal/output.ts'
import { reasonOf } from '../terminal/output-file.ts'
import { createKeyFinder, type FoundKey } from './find-keys.ts'
import { readPieces, walkFiles } from './walk-files.ts'

interface ScanOptions extends CommonOptions {
  readonly stdin?: true
  /** False with `--no-ignore`. */
  readonly ignore: boolean
  readonly keyPrefix?: readonly string[]
}

/** A key that was found, with what the data folder knows of it. */
interface Finding extends FoundKey {
  readonly file: string
  /** Null where there is no data folder, or no key with this id in it. */
  readonly name: string | null
  readonly status: KeyStatus | null
}

interface ScanResult {
  readonly findings: readonly (FoundKey & { readonly file: string })[]
  readonly files: number
  /** Folders that were passed over, each with all that is in it. */
  readonly ignored: number
  readonly unreadable: readonly { readonly where: string; readonly message: string }[]
}

export function defineScan(command: Command): void {
  command
    .argument('[path...]', 'Files and folders')
    .option('--stdin', 'Read standard input')
    .option('--no-ignore', 'Read the folders that git ignores, too')
    .addOption(settingOption('keyPrefix'))
    .addHelpText(
      'after',
      '\nFinds whole keys with a right checksum, and never prints their secrets. Skips node_modules, .git, binary files,\n' +
        'symbolic links, and the folders that git ignores; files that it ignores, such as .env, are read, and so is what\n' +
        'you name. Exit code 1 means that keys were found.',
    )
    .action(scan)
  addCommonOptions(command)
  addExamples(command, 'scan .', 'scan src .env --json', 'scan --stdin < build.log')
}

async function scan(paths: readonly string[], options: ScanOptions): Promise<void> {
  if (paths.length > 0 === (options.stdin === true))
    throw usageError('path', 'expected files or folders, or --stdin, and not both')
  const loaded = loadCommandConfig(
    options,
    options.keyPrefix === undefined ? {} : { keyPrefix: options.keyPrefix },
  )
  const { keyPrefix } = loaded.config
  const result =
    options.stdin === true ? await scanStdin(keyPrefix) : scanFiles(paths, keyPrefix, !options.ignore)
  const findings = await identify(result.findings, loaded)
  const { files, ignored, unreadable } = result
  if (options.json === true) await printJson({ findings, files, ignored, unreadable })
  else await printFindings(findings, result)
  if (findings.length > 0) process.exitCode = exitCodes.refused
  if (result.unreadable.length > 0) {
    const incomplete = new CliError(
      'scan_incomplete',
      `${result.unreadable.length} paths could not be read`,
      result.unreadable,
    )
    if (findings.length === 0) throw incomplete
    tell(
      `modelward: ${incomplete.message}: ${result.unreadable.map(({ where }) => printable(where)).join(', ')}`,
    )
  }
}

async function scanStdin(prefix: string): Promise<ScanResult> {
  const finder = createKeyFinder(prefix)
  const found: FoundKey[] = []
  for await (const piece of process.stdin) found.push(...finder.push(piece as Buffer))
  found.push(...finder.end())
  return { findings: found.map((key) => ({ file: '-', ...key })), files: 1, ignored: 0, unreadable: [] }
}

function scanFiles(paths: readonly string[], prefix: string, withIgnored: boolean): ScanResult {
  const findings: (FoundKey & { readonly file: string })[] = []
  const unreadable: { readonly where: string; readonly message: string }[] = []
  let [files, ignored] = [0, 0]
  for (const walked of walkFiles(paths, { withIgnored })) {
    const { path: file } = walked
    if (walked.kind === 'ignored') ignored += 1
    if (walked.kind === 'unreadable') unreadable.push({ where: file, message: walked.fault })
    if (walked.kind !== 'file') continue
    try {
      const finder = createKeyFinder(prefix)
      for (const piece of readPieces(file, walked.isNamed))
        findings.push(...finder.push(piece).map((key) => ({ file, ...key })))
      findings.push(...finder.end().map((key) => ({ file, ...key })))
      files += 1
    } catch (error) {
      unreadable.push({ where: file, message: reasonOf(error) })
    }
  }
  return { findings, files, ignored, unreadable }
}

/** Adds names and statuses. A deployment that cannot be opened must not hide what was found. */
async function identify(found: ScanResult['findings'], loaded: LoadedConfig): Promise<readonly Finding[]> {
  let keys: Awaited<ReturnType<StorageInspection['openKeys']>>
  try {
    if (found.length > 0) keys = await (await inspectStorage(placeOf(loaded))).openKeys(loaded.secrets)
    const findings: Finding[] = []
    for (const key of found) {
      const record = await keys?.findKey(key.id)
      const status = record === undefined ? null : keyStatusAt(record, Date.now())
      findings.push({ ...key, name: record?.name ?? null, status })
    }
    return findings
  } catch (error) {
    tell(`modelward: the keys’ names cannot be looked up: ${describeError(error).message}`)
    return found.map((key) => ({ ...key, name: null, status: null }))
  } finally {
    await keys?.close()
  }
}

async function printFindings(
  findings: readonly Finding[],
  { files, ignored }: Pick<ScanResult, 'files' | 'ignored'>,
): Promise<void> {
  const lines = findings.map(({ file, line, id, environment, name, status }) => {
    const known = name === null ? 'not in the data folder' : `${name}, ${status}`
    return `${printable(`${file}:${line}: ${environment} key ${id} (${known})`)}\n`
  })
  await print(lines.join(''))
  if (findings.length === 0) tell(`No keys found in ${files} ${files === 1 ? 'file' : 'files'}.`)
  else tell(`Found ${findings.length}. Rotate or revoke each that is active: modelward keys rotate ID`)
  if (ignored > 0)
    tell(
      `${ignored} ${ignored === 1 ? 'folder that git ignores was' : 'folders that git ignores were'} not read; --no-ignore reads all.`,
    )
}
