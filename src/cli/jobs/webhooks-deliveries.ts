import type { Command } from 'commander'
import { anyOwner } from '../../jobs/job-service.ts'
import type { DeliveryView } from '../../webhooks/view.ts'
import type { DeliveryListQuery } from '../../webhooks/webhook-service.ts'
import { addCommonOptions, type CommonOptions } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { pageSize, pageSizeMax, parsePageSize } from '../page-size.ts'
import { print, printJson, tell } from '../terminal/output.ts'
import { type Column, formatTable } from '../terminal/table.ts'
import { terminalWidth } from '../terminal/terminal.ts'
import { checkJobId } from './job-command.ts'
import { withJobs } from './open-jobs.ts'

interface DeliveriesOptions extends CommonOptions {
  readonly owner?: string
  readonly job?: string
  readonly limit?: string
}

export function defineWebhooksDeliveries(command: Command): void {
  command
    .option('--owner <owner>', 'Only deliveries of this owner')
    .option('--job <id>', 'Only deliveries about this job')
    .option('--limit <n>', `How many at most, 1 to ${pageSizeMax} (default: ${pageSize})`)
    .action(async (options: DeliveriesOptions) => {
      const query = readQuery(options)
      const deliveries = await withJobs(options, ({ webhooks }) => webhooks.listDeliveries(anyOwner, query))
      await printDeliveries(deliveries, options.json === true)
    })
  addCommonOptions(command)
  command.addHelpText('after', '\nThe newest first, each with the result of its last attempt.')
  addExamples(command, 'webhooks deliveries --owner acme', 'webhooks deliveries --limit 1000 --json')
}

function readQuery({ owner, job, limit }: DeliveriesOptions): DeliveryListQuery {
  return {
    limit: parsePageSize(limit),
    owner,
    jobId: job === undefined ? undefined : checkJobId(job, '--job'),
  }
}

async function printDeliveries(deliveries: readonly DeliveryView[], asJson: boolean): Promise<void> {
  if (asJson) return printJson({ deliveries })
  if (deliveries.length === 0) tell('No deliveries.')
  await print(formatTable(deliveries, columns, terminalWidth()))
}

const columns: readonly Column<DeliveryView>[] = [
  { title: 'ID', cell: ({ id }) => id },
  { title: 'JOB', cell: ({ job }) => job },
  { title: 'OWNER', cell: ({ owner }) => owner, mayCut: true },
  { title: 'STATUS', cell: ({ status }) => status },
  { title: 'TRIES', cell: ({ attempts }) => String(attempts) },
  { title: 'LAST', cell: lastOf },
  { title: 'NEXT', cell: (view) => view.next_attempt_at?.slice(0, 19) ?? '-', mayCut: true },
  { title: 'URL', cell: ({ url }) => url, mayCut: true },
]

/** What the last attempt came to: what went wrong, or the status that was answered. */
export function lastOf(view: DeliveryView): string {
  const last = view.last_attempt
  return last === null ? '-' : (last.reason ?? String(last.status ?? '-'))
}
