import { type Command, Option } from 'commander'
import { secretSettings } from '../../config/secret-settings.ts'
import { Fault } from '../../core/fault.ts'
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
  readonly history: 'now' | 'behind' | 'none'
  readonly config?: readonly string[]
  readonly skipDamaged?: true
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
      new Option(
        '--history <which>',
        'When the records of the ledger come along: before nodes may start, behind them, or not at all',
      )
        .choices(['now', 'behind', 'none'])
        .default('now'),
    )
    .option(
      '--skip-damaged',
      'Leave out rows that are not the ones that were written; each is named, and the exit code is 3',
    )
    .addOption(new Option('--config <file>', 'Configuration file').argParser(collect))
    .option('--json', 'Print JSON, errors too')
    .addHelpText(
      'after',
      '\nThe fleet has to have the folder’s own pepper and signing key, in MODELWARD_PEPPER and MODELWARD_SIGNING_KEY. Keys,\n' +
        'owners, jobs, webhooks, what is used of long limits, and the ledger come along. Counts and digests of both sides are\n' +
        'compared, table by table: exit code 1 where they differ. Then the folder is marked, and a server refuses it. Stopped\n' +
        'at any moment it goes on when it is run again, and copies nothing twice. With --history behind nodes may start once\n' +
        'all but the records that are summed up is there; these follow while nodes serve, the newest first. A row that is not\n' +
        'the one that was written (a damaged disk) is an error that names it, and --skip-damaged leaves such rows out: a key\n' +
        'works no longer then, and an owner or a limit begins anew, without what it had. Records of the ledger are copied\n' +
        'byte by byte, for `ledger verify` to find what it finds in the folder.',
    )
    .action(run)
  addExamples(
    command,
    'copy --from ./data',
    'copy --from ./data --to "postgres://modelward@127.0.0.1/modelward" --history behind',
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
    history: options.history,
    skipsDamaged: options.skipDamaged === true,
    ...(isJson ? {} : progress),
  }).catch((error: unknown) => {
    if (error instanceof Fault && !isJson) tell('Run it again: it goes on where it stopped.')
    throw error
  })
  const isSame = report.tables.every((table) => table.isSame)
  const { damaged } = report
  if (isJson)
    await printJson({ ...names(report), tables: report.tables.map(viewTable), damaged, same: isSame })
  else {
    await print(formatTable(report.tables, columns, terminalWidth()))
    for (const { table, row } of damaged) await print(`left out of ${table}, not as it was written: ${row}\n`)
    await print(`${verdictOf(report, isSame)}\n`)
  }
  if (!isSame) process.exitCode = exitCodes.refused
  else if (damaged.length > 0) process.exitCode = exitCodes.environment
}

const progress = {
  onTable: (name: string) => tell(`copying ${name}`),
  onBehind: (blocks: number) =>
    tell(`nodes may start; ${blocks} blocks of the ledger's history are to follow`),
}

type Report = Awaited<ReturnType<typeof copyDeployment>>

function names({ from, to, wasDone }: Report): object {
  return { from, to, done_before: wasDone }
}

function verdictOf({ from, to, wasDone, isMoved, tables }: Report, isSame: boolean): string {
  const [differing, second] = tables.filter((table) => !table.isSame)
  if (differing?.table === 'block' && second === undefined && isMoved)
    return `${to} is the deployment, and the history of its ledger is not that of ${from}: something else has written one of them. modelward ledger verify says where; the index and retention wait.`
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
