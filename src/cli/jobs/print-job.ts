import type { JobView } from '../../jobs/view-job.ts'
import { print, printJson } from '../terminal/output.ts'
import { type Column, formatFields } from '../terminal/table.ts'

/** Prints one job, with its result. */
export async function printJob(job: JobView, asJson: boolean): Promise<void> {
  if (asJson) await printJson(job)
  else await print(formatFields(jobFields(job)))
}

function jobFields(job: JobView): readonly (readonly [string, string])[] {
  return [
    ['id', job.id],
    ['owner', job.owner ?? '-'],
    ['key', job.key_id ?? '-'],
    ['status', job.status],
    ['model', job.model],
    ['kind', job.kind],
    ['progress', progressOf(job)],
    ['errors', String(job.errors)],
    ['attempts', String(job.attempts)],
    ['error', job.error === null ? '-' : `${job.error.code}: ${job.error.detail}`],
    ['created', job.created_at],
    ['started', job.started_at ?? '-'],
    ['finished', job.finished_at ?? '-'],
    ['kept until', job.expires_at ?? '-'],
    ['result', job.result === null ? '-' : JSON.stringify(job.result)],
  ]
}

function progressOf({ progress: { done, total } }: JobView): string {
  return `${done} of ${total}`
}

/** Jobs in a table. */
export const jobColumns: readonly Column<JobView>[] = [
  { title: 'ID', cell: ({ id }) => id },
  { title: 'OWNER', cell: ({ owner }) => owner ?? '-', mayCut: true },
  { title: 'STATUS', cell: ({ status }) => status },
  { title: 'MODEL', cell: ({ model }) => model, mayCut: true },
  { title: 'DONE', cell: progressOf },
  { title: 'TRIES', cell: ({ attempts }) => String(attempts) },
  { title: 'ERROR', cell: ({ error }) => error?.code ?? '-', mayCut: true },
  { title: 'CREATED', cell: (job) => job.created_at.slice(0, 19), mayCut: true },
]
