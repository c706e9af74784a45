import { Fault } from '../../../core/fault.ts'
import { hasEnded, type JobStatus, jobStatuses } from '../../../jobs/job.ts'
import type { JobQuery, JobQueue } from '../../../jobs/job-queue.ts'
import { isExpired } from '../../../jobs/transitions.ts'
import { isLonger } from '../../job-row-bytes.ts'
import type { Postgres } from '../postgres.ts'
import { isStorable } from '../storable-text.ts'
import type { JobParts } from './job-parts.ts'
import { type JobRow, readJob, type StoredJob } from './job-row.ts'
import { jobColumns } from './sql/claim-jobs.ts'

/** Reads of jobs. */
export function createJobReads({
  postgres,
  turns,
  find,
}: Pick<JobParts, 'postgres' | 'turns' | 'find'>): Pick<
  JobQueue,
  'findJob' | 'listJobs' | 'listEnded' | 'countJobs'
> {
  const { query, schema } = postgres
  const findShared = shareReads((found) => turns.run(found.job.owner, () => findResult(postgres, found)))
  return {
    async findJob({ id, owner }, now, resultMax) {
      for (let tries = 0; tries < readMax; tries += 1) {
        const found = await find(id)
        const isOthers = owner !== undefined && found?.job.owner !== owner
        if (found === undefined || isOthers || isExpired(found.job, now)) return undefined
        if (!hasResult(found) || isLonger(found.answerBytes, resultMax)) return found.job
        const result = await findShared(found)
        if (result !== undefined) return { ...found.job, result }
      }
      throw new Fault('store_unavailable', `${postgres.name}: job ${id} changes all the time`)
    },
    async listJobs({ owner, status, limit, after = newest, now }) {
      if (!isStorable(owner, after.id)) return { jobs: [], hasMore: false }
      const values = [after.createdAt, after.id, now, limit + 1, ...(owner === undefined ? [] : [owner])]
      const rows = await turns.run(owner, () => query<JobRow>(listText(schema, owner, status), values))
      const jobs = rows.map((row) => readJob(row).job)
      return { jobs: jobs.slice(0, limit), hasMore: jobs.length > limit }
    },
    async listEnded({ limit, after = { finishedAt: newest.createdAt, id: newest.id } }) {
      const rows = await query<JobRow>(
        `SELECT ${jobColumns('j')} FROM ${schema}.jobs AS j
          WHERE j.finished_at IS NOT NULL AND (j.finished_at, j.id) < ($1::bigint, $2::text)
          ORDER BY j.finished_at DESC, j.id DESC LIMIT $3`,
        [after.finishedAt, after.id, limit],
      )
      return rows.map((row) => readJob(row).job)
    },
    async countJobs() {
      const [counted] = await query<{ readonly open: number; readonly running: number }>(
        `SELECT (SELECT sum(jobs)::bigint FROM ${schema}.job_counts) AS open,
          (SELECT count(*) FROM ${schema}.jobs WHERE status = 'running') AS running`,
      )
      const { open = 0, running = 0 } = counted ?? {}
      return { queued: Math.max(0, open - running), running }
    },
  }
}

/**
 * Hundreds who wait for a job read its result once, which may have 16 MiB, and not each of them.
 */
function shareReads<Result>(
  read: (found: StoredJob) => Promise<Result>,
): (found: StoredJob) => Promise<Result> {
  const underWay = new Map<string, Promise<Result>>()
  return (found) => {
    const name = `${found.place} ${found.job.version}`
    const reading = underWay.get(name) ?? read(found).finally(() => underWay.delete(name))
    underWay.set(name, reading)
    return reading
  }
}

/** How often a result is read anew, because its job changed meanwhile. */
const readMax = 10

/** After every job: where the first page begins. */
const newest = { createdAt: Number.MAX_SAFE_INTEGER, id: '' }

/**
 * Each index is by status: all jobs are a merge of six sorted lists, which reads no more rows than
 * it returns.
 */
function listText(schema: string, owner: JobQuery['owner'], status: JobStatus | undefined): string {
  const lists = (status === undefined ? jobStatuses : [status]).map(
    (each) => `(SELECT ${jobColumns('j')} FROM ${schema}.jobs AS j
      WHERE ${owner === undefined ? '' : 'j.owner = $5 AND '}j.status = '${each}'
      AND (j.created_at, j.id) < ($1::bigint, $2::text) AND (j.expires_at IS NULL OR j.expires_at > $3::bigint)
      ORDER BY j.created_at DESC, j.id DESC LIMIT $4)`,
  )
  return `SELECT * FROM (${lists.join(' UNION ALL ')}) AS listed ORDER BY created_at DESC, id DESC LIMIT $4`
}

function hasResult({ job }: StoredJob): boolean {
  return hasEnded(job.status) && job.done > 0
}

/** What is done of a job that has ended; null where nothing is, or where it has been retried. */
export async function readResult(
  { postgres, turns }: Pick<JobParts, 'postgres' | 'turns'>,
  stored: StoredJob,
): Promise<string | null> {
  if (!hasResult(stored)) return null
  return (await turns.run(stored.job.owner, () => findResult(postgres, stored))) ?? null
}

interface PieceRow {
  readonly from_input: number
  readonly piece: number
  readonly answers: string
}

/** Pieces that one statement reads: 1 MiB. */
const piecesAtOnce = 4

/** Reads the answers piece by piece. Undefined where the job has changed meanwhile. */
async function findResult(
  { query, schema }: Postgres,
  stored: StoredJob,
): Promise<string | null | undefined> {
  const texts: string[] = []
  let last: PieceRow | undefined
  for (;;) {
    const rows: readonly PieceRow[] = await query<PieceRow>(
      `SELECT a.from_input, a.piece, a.answers FROM ${schema}.job_answers AS a
        WHERE a.place = $1 AND (a.from_input, a.piece) > ($2, $3)
          AND EXISTS (SELECT FROM ${schema}.jobs AS j WHERE j.place = $1 AND j.version = $4)
        ORDER BY a.from_input, a.piece LIMIT ${piecesAtOnce}`,
      [stored.place, last?.from_input ?? -1, last?.piece ?? -1, stored.job.version],
    )
    for (const row of rows) {
      if (last !== undefined && row.from_input !== last.from_input) texts.push(',')
      texts.push(row.answers)
      last = row
    }
    if (rows.length < piecesAtOnce) break
  }
  if (last === undefined && stored.answerBytes > 0) return undefined
  const text = texts.join('')
  if (text === '') return null
  return stored.job.kind === 'batch' ? `[${text}]` : text
}
