import { type Command, Option } from 'commander'
import { type JobStatus, jobStatuses } from '../../jobs/job.ts'
import { formatJobCursor, parseJobCursor } from '../../jobs/job-cursor.ts'
import { anyOwner, type JobList, type JobListCursor, type JobListQuery } from '../../jobs/job-service.ts'
import { usageError } from '../cli-error.ts'
import { addCommonOptions, type CommonOptions } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { pageSize, pageSizeMax, parsePageSize } from '../page-size.ts'
import { print, printJson, tell } from '../terminal/output.ts'
import { formatTable } from '../terminal/table.ts'
import { terminalWidth } from '../terminal/terminal.ts'
import { withJobs } from './open-jobs.ts'
import { jobColumns } from './print-job.ts'

interface ListOptions extends CommonOptions {
  readonly owner?: string
  readonly status?: JobStatus
  readonly limit?: string
  readonly after?: string
}

export function defineJobsList(command: Command): void {
  command
    .option('--owner <owner>', 'Only jobs of this owner')
    .addOption(new Option('--status <status>', 'Only jobs with this status').choices(jobStatuses))
    .option('--limit <n>', `How many at most, 1 to ${pageSizeMax} (default: ${pageSize})`)
    .option('--after <cursor>', 'Go on after this cursor, which the page before printed')
    .action(async (options: ListOptions) => {
      const query = readQuery(options)
      await withJobs(options, async ({ jobs }) =>
        printPage(await jobs.list(anyOwner, query), options.json === true),
      )
    })
  addCommonOptions(command)
  command.addHelpText('after', '\nThe newest first, without results; `jobs show` gives one with its own.')
  addExamples(command, 'jobs list --status dead', 'jobs list --owner acme --limit 1000 --json')
}

function readQuery({ owner, status, limit, after }: ListOptions): JobListQuery {
  return {
    limit: parsePageSize(limit),
    owner,
    status,
    after: after === undefined ? undefined : readCursor(after),
  }
}

function readCursor(text: string): JobListCursor {
  const cursor = parseJobCursor(text)
  if (cursor === undefined) throw usageError('--after', 'expected the cursor that a page of jobs printed')
  return cursor
}

async function printPage({ jobs, next, damaged }: JobList, asJson: boolean): Promise<void> {
  const after = next === undefined ? null : formatJobCursor(next)
  if (asJson) return printJson({ jobs, next: after, ...(damaged && { damaged }) })
  if (jobs.length === 0 && damaged === undefined) tell('No jobs.')
  await print(formatTable(jobs, jobColumns, terminalWidth()))
  if (after !== null) tell(`More follow: --after ${after}`)
  if (damaged !== undefined) tell(`Damaged, and left out: ${damaged.join(', ')}`)
}
