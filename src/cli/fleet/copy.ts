import { type Command, Option } from 'commander'
import { secretSettings } from '../../config/secret-settings.ts'
import { type CopiedCheck, copyDeployment } from '../../ward/copy-deployment.ts'
import { usageError } from '../cli-error.ts'
import { collect, loadCommandConfig } from '../common-options.ts'
import { exitCodes } from '../exit-code.ts'
import { addExamples } from '../keys/key-options.ts'
import { print, printJson, tell } from '../terminal/output.ts'
import { type Column, formatTable } from '../terminal/table.ts'
import { terminalWidth } from '../terminal/terminal.ts'

interface CopyCommandOptions {
  readonly from: readonly string[]
  readonly to?: readonly string[]
  readonly history: 'now' | 'none'
  readonly config?: readonly string[]
  readonly json?: true
}

export function defineCopy(command: Command): void {
  command
    .requiredOption('--from <folder>', 'The data folder; its server has to be stopped', collect)
    .addOption(
      new Option(
        '--to <url>',
        `The fleet’s database (or ${secretSettings.databaseUrl.variable}): empty, or where this copy was stopped`,
      ).argParser(collect),
    )
    .addOption(
      new Option('--history <which>', 'Whether the records of the ledger, and sums of usage, come along')
        .choices(['now', 'none'])
        .default('now'),
    )
    .addOption(new Option('--config <file>', 'Configuration file').argParser(collect))
    .option('--json', 'Print JSON, errors too')
    .addHelpText(
      'after',
      '\nThe fleet has to have the folder’s own pepper and signing key, in MODELWARD_PEPPER and MODELWARD_SIGNING_KEY. Keys,\n' +
        'owners, jobs, webhooks, what is used of long limits, and the ledger come along. Counts and digests of both sides are\n' +
        'compared, table by table: exit code 1 where they differ. Then the folder is marked, and a server refuses it. Stopped\n' +
        'at any moment it goes on when it is run again, and copies nothing twice.',
    )
    .action(run)
  addExamples(
    command,
    'copy --from ./data',
    'copy --from ./data --to "postgres://modelward@127.0.0.1/modelward" --history none',
  )
}

async function run(options: CopyCommandOptions): Promise<void> {
  const [from = '', second] = options.from
  if (from === '' || second !== undefined) throw usageError('--from', 'expected one folder')
  const { secrets } = loadCommandConfig({
    ...(options.to && { databaseUrl: options.to }),
    ...(options.config && { config: options.config }),
  })
  const { databaseUrl, pepper, signingKey } = secrets
  if (databaseUrl === undefined)
    throw usageError('--to', `expected a database URL, here or in ${secretSettings.databaseUrl.variable}`)
  const isJson = options.json === true
  const report = await copyDeployment({
    ...{ from, databaseUrl, pepper, signingKey },
    hasHistory: options.history === 'now',
    ...(isJson ? {} : { onTable: (name: string) => tell(`copying ${name}`) }),
  })
  const isSame = report.tables.every((table) => table.isSame)
  if (isJson) await printJson({ ...names(report), tables: report.tables.map(viewTable), same: isSame })
  else {
    await print(formatTable(report.tables, columns, terminalWidth()))
    await print(`${verdictOf(report, isSame)}\n`)
  }
  if (!isSame) process.exitCode = exitCodes.refused
}

type Report = Awaited<ReturnType<typeof copyDeployment>>

function names({ from, to, wasDone }: Report): object {
  return { from, to, done_before: wasDone }
}

function verdictOf({ from, to, wasDone }: Report, isSame: boolean): string {
  if (!isSame)
    return `${to} is not what ${from} is: something else has written one of them. Neither is marked; empty the schema and begin anew.`
  if (wasDone) return `${from} was copied to ${to} before; nothing was read or written now.`
  return `${from} is copied to ${to}. The folder is marked: a server refuses it from now on.`
}

function viewTable({ table, source, target, isSame }: CopiedCheck): object {
  return { table, from: source, to: target, same: isSame }
}

const columns: readonly Column<CopiedCheck>[] = [
  { title: 'TABLE', cell: ({ table }) => table },
  { title: 'ROWS', cell: ({ source }) => String(source.rows) },
  { title: 'COPIED', cell: ({ target }) => String(target.rows) },
  { title: 'SHA-256', cell: ({ source }) => source.digest.slice(0, 16) },
  { title: 'OF COPY', cell: ({ target }) => target.digest.slice(0, 16) },
  { title: 'SAME', cell: ({ isSame }) => (isSame ? 'yes' : 'NO') },
]
