import { Fault } from '../../../core/fault.ts'
import { hasEnded, type JobRecord } from '../../../jobs/job.ts'
import { countedStatesMax, type JobQueue, type JobStates } from '../../../jobs/job-queue.ts'
import { isExpired } from '../../../jobs/transitions.ts'
import { isLonger } from '../../job-row-bytes.ts'
import { namingDamaged } from '../../keys/sort-out-rows.ts'
import { readBelieved } from '../keys/read-believed.ts'
import type { Postgres } from '../postgres.ts'
import { isStorable } from '../storable-text.ts'
import { DamagedRow } from './damaged-row.ts'
import { readAnswers } from './job-answers.ts'
import type { JobParts } from './job-parts.ts'
import { type JobRow, readJob, type StoredJob } from './job-row.ts'
import { jobColumns } from './sql/job-columns.ts'

/** Reads of jobs. */
export function createJobReads(
  parts: Pick<JobParts, 'postgres' | 'macs' | 'turns' | 'find'>,
): Pick<JobQueue, 'findJob' | 'listJobs' | 'listEnded' | 'countJobs' | 'countStates'> {
  const { postgres, turns, find } = parts
  const { query, schema, name } = postgres
  const decode = (row: JobRow): JobRecord => readJob(parts, row).job
  const idOf = ({ id }: JobRow): string => id
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
      throw new Fault('store_unavailable', `${name}: job ${id} changes all the time`)
    },
    async listJobs({ owner, status, limit, after = newest, now }) {
      if (!isStorable(owner, after.id)) return { jobs: [], hasMore: false }
      const select = (most: number) =>
        query<JobRow>(
          `SELECT ${jobColumns('j')} FROM ${schema}.list_jobs($1, $2, $3::bigint, $4, $5::bigint, $6::int) AS j`,
          [owner, status, after.createdAt, after.id, now, most],
        )
      // One more than the limit tells whether another page follows.
      const read = () => readBelieved(limit + 1, select, decode, idOf)
      const { records, damaged } = await turns.run(owner, read)
      // The row says whose it is, the index says nothing: a MAC is of the row.
      if (owner !== undefined && records.some((job) => job.owner !== owner))
        throw new DamagedRow(`the list of jobs of ${owner}`, name)
      const jobs = records.slice(0, limit)
      return { jobs, hasMore: records.length > limit, ...namingDamaged(damaged) }
    },
    async listEnded({ limit, after = { finishedAt: newest.createdAt, id: newest.id } }) {
      const select = (most: number) =>
        query<JobRow>(`SELECT ${jobColumns('j')} FROM ${schema}.list_ended($1::bigint, $2, $3::int) AS j`, [
          after.finishedAt,
          after.id,
          most,
        ])
      return (await readBelieved(limit, select, decode, idOf)).records
    },
    async countJobs() {
      const [counted] = await query<{ readonly open: number; readonly running: number }>(
        `SELECT (SELECT sum(jobs)::bigint FROM ${schema}.job_counts) AS open,
          (SELECT count(*) FROM ${schema}.jobs WHERE status = 'running') AS running`,
      )
      const { open = 0, running = 0 } = counted ?? {}
      return { queued: Math.max(0, open - running), running }
    },
    async countStates() {
      const [row] = await query<Omit<JobStates, 'queued'> & { readonly open: number }>(
        `SELECT * FROM ${schema}.count_states($1::int)`,
        [countedStatesMax],
      )
      const { open = 0, running = 0, retrying = 0, failed = 0, dead = 0 } = row ?? {}
      return { queued: Math.max(0, open - running - retrying), retrying, running, failed, dead }
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

function hasResult({ job }: StoredJob): boolean {
  return hasEnded(job.status) && job.done > 0
}

/**
 * What is done of a job that has ended; null where nothing is, or where it has been retried.
 *
 * @throws DamagedRow
 */
export async function readResult(
  { postgres, turns }: Pick<JobParts, 'postgres' | 'turns'>,
  stored: StoredJob,
): Promise<string | null> {
  if (!hasResult(stored)) return null
  return (await turns.run(stored.job.owner, () => findResult(postgres, stored))) ?? null
}

/** Undefined where the job has changed meanwhile. @throws DamagedRow */
async function findResult(postgres: Postgres, stored: StoredJob): Promise<string | null | undefined> {
  const { job } = stored
  const texts: string[] = []
  const read = await readAnswers(postgres, stored, (piece, isFirst) => {
    if (isFirst && texts.length > 0) texts.push(',')
    texts.push(piece)
  })
  if (read === 'damaged') throw new DamagedRow(`job ${job.id}, its answers`, postgres.name)
  if (read === 'changed') return undefined
  const text = texts.join('')
  if (text === '') return null
  return job.kind === 'batch' ? `[${text}]` : text
}
