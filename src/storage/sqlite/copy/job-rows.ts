import { SetupError } from '../../../core/setup-error.ts'
import { needsInputs } from '../../../jobs/transitions.ts'
import type { CopiedRow } from '../../copy/copied-tables.ts'
import { bytesOfAnswer } from '../../job-row-bytes.ts'
import { piecesOf } from '../../text-pieces.ts'
import type { SqliteDatabase, SqlValue } from '../database.ts'
import { type DeliveryCells, deliveryColumns, isWholeDelivery } from '../jobs/delivery-row.ts'
import { sumOfAnswer } from '../jobs/job-answers.ts'
import { type JobCells, jobColumns, readJob, type StoredJob } from '../jobs/job-row.ts'
import { sumOfSecret } from '../jobs/job-secrets.ts'
import { sumOfText } from '../jobs/row-sums.ts'
import { createPages, type PagedTable } from './page-rows.ts'
import type { RowReaders } from './row-readers.ts'

/** The rows of `jobs.db`, each as far as its checksum says that it is the one that was written. */
export function jobRows(database: SqliteDatabase): RowReaders {
  return { ...readersOfJobs(database), ...readersOfTurns(database), ...readersOfOthers(database) }
}

type ExtendedCells = readonly [
  ...JobCells,
  isReady: number,
  dueAt: number | null,
  bytes: number,
  values: number,
]

const answerValues = `coalesce((SELECT sum(iif(json_valid(list), json_array_length(list), 0))
  FROM (SELECT '[' || answers || ']' AS list FROM job_answers WHERE job_answers.place = jobs.place)), 0)`

function readersOfJobs(database: SqliteDatabase): RowReaders {
  const pages = <Cells extends readonly SqlValue[]>(paged: PagedTable<Cells>) => createPages(database, paged)
  const jobs = pages<ExtendedCells>({
    columns: [...jobColumns.split(', '), 'is_ready', 'due_at', 'bytes', answerValues],
    ...{ keyColumns: 1, from: 'jobs', rowsAtOnce: 100 },
  })
  const inputs = pages<[number, string]>({
    ...{ columns: ['place', 'inputs'], keyColumns: 1, from: 'job_inputs', rowsAtOnce: 1 },
  })
  const answers = pages<[number, number, string]>({
    columns: ['place', 'from_input', 'answers'],
    ...{ keyColumns: 2, from: 'job_answers', rowsAtOnce: 1 },
  })
  const measure = createMeasure(database)
  return {
    *jobs(after) {
      for (const cells of jobs(after)) {
        const [isReady, dueAt, bytes, values] = cells.slice(27) as [number, number | null, number, number]
        const stored = readJob(cells.slice(0, 27) as unknown as JobCells)
        const { characters, pieces } = measure(stored)
        yield jobRow(stored, { characters, pieces, isReady: isReady === 1, dueAt, bytes, values })
      }
    },
    *job_inputs(after) {
      // The pieces of a row are written in any number of statements.
      const before = after && [Number(after[0]) - 1]
      for (const [place, text] of inputs(before)) {
        let piece = 0
        for (const part of piecesOf(text)) {
          if (isBehind([place, piece], after)) yield [place, piece, part]
          piece += 1
        }
      }
    },
    *job_answers(after) {
      const before = after && [Number(after[0]), Number(after[1]) - 1]
      for (const [place, from, text] of answers(before)) {
        let piece = 0
        for (const part of piecesOf(text)) {
          if (isBehind([place, from, piece], after)) yield [place, from, piece, part]
          piece += 1
        }
      }
    },
  }
}

function isBehind(key: readonly number[], after: readonly SqlValue[] | undefined): boolean {
  if (after === undefined) return true
  for (const [index, part] of key.entries()) if (part !== after[index]) return part > Number(after[index])
  return false
}

/** How long the inputs of a job are, all of its texts being those that were written. */
function createMeasure(
  database: SqliteDatabase,
): (stored: StoredJob) => { readonly characters: number; readonly pieces: number } {
  const findInputs = database.prepare<{ inputs: string }>('SELECT inputs FROM job_inputs WHERE place = ?')
  const findAnswers = database.prepare<{ from_input: number; answers: string }>(
    'SELECT from_input, answers FROM job_answers WHERE place = ? AND from_input > ? ORDER BY from_input LIMIT 1',
  )
  return ({ place, job, inputsSum, answersSum }) => {
    let sum = 0
    for (let found = findAnswers.get(place, -1); found !== undefined; ) {
      sum = sumOfText(found.answers, sum)
      found = findAnswers.get(place, found.from_input)
    }
    if (sum !== answersSum) throw damaged(`job ${job.id}, its answers`)
    if (!needsInputs(job.status)) return { characters: 0, pieces: 1 }
    const inputs = findInputs.get(place)?.inputs
    if (inputs === undefined || sumOfText(inputs) !== inputsSum) throw damaged(`job ${job.id}, its inputs`)
    return { characters: inputs.length, pieces: [...piecesOf(inputs)].length }
  }
}

interface JobMeasures {
  readonly characters: number
  readonly pieces: number
  readonly isReady: boolean
  readonly dueAt: number | null
  readonly bytes: number
  readonly values: number
}

function jobRow({ place, job, lease, answerBytes }: StoredJob, measures: JobMeasures): CopiedRow {
  const { characters, pieces, isReady, dueAt, bytes, values } = measures
  return [
    ...[place, job.id, job.owner, job.keyId, job.requestId, job.model, job.kind, job.total, job.priority],
    ...[job.attemptsMax, job.webhook, job.createdAt, characters, pieces, job.status, job.version, job.done],
    ...[job.errors, job.attempts, job.error === null ? null : JSON.stringify(job.error)],
    ...[job.startedAt, job.finishedAt, job.expiresAt, lease, isReady, dueAt, bytes, answerBytes, values],
  ]
}

function readersOfTurns(database: SqliteDatabase): RowReaders {
  const turns = createPages<[string, string, number, number]>(database, {
    columns: [
      ...['owner', 'model', 'served'],
      'EXISTS (SELECT 1 FROM jobs WHERE is_ready = 1 AND jobs.owner = turns.owner AND jobs.model = turns.model)',
    ],
    ...{ keyColumns: 2, from: 'turns', rowsAtOnce: 500 },
  })
  // Whose an answer of an old version is, its row does not say.
  const owners = createPages<[string, number, number]>(database, {
    columns: ['owner', 'jobs', 'bytes'],
    keyColumns: 1,
    from: `(SELECT owner, queued + running AS jobs, bytes FROM owners UNION ALL
      SELECT '', 0, sum(bytes) FROM answers WHERE owner IS NULL HAVING count(*) > 0)`,
    rowsAtOnce: 500,
  })
  const deliveryTurns = createPages<[string, number]>(database, {
    columns: ['owner', 'min(due_at)'],
    ...{ keyColumns: 1, from: 'deliveries', where: 'due_at IS NOT NULL', groupBy: 'owner', rowsAtOnce: 500 },
  })
  const totals = database.prepareCells<[jobs: number, bytes: number, served: number]>(
    'SELECT queued + running, bytes, served FROM totals WHERE id = 1',
  )
  return {
    *turns(after) {
      for (const [owner, model, served, hasReady] of turns(after))
        yield [owner, model, served, hasReady === 1]
    },
    *totals() {
      yield [1, totals.get()?.[2] ?? 0]
      yield [2, 0]
    },
    job_owners: owners,
    *job_counts() {
      const [jobs = 0, bytes = 0] = totals.get() ?? []
      for (let id = 0; id < countRows; id += 1) yield id === 0 ? [id, jobs, bytes] : [id, 0, 0]
    },
    delivery_turns: deliveryTurns,
  }
}

/** Rows that a fleet counts all jobs in. */
const countRows = 16

type AnswerCells = readonly [
  id: string,
  owner: string,
  digest: string,
  holder: string,
  sealed: Uint8Array | null,
  expiresAt: number,
  bytes: number,
  sum: number,
]

function readersOfOthers(database: SqliteDatabase): RowReaders {
  const answers = createPages<AnswerCells>(database, {
    columns: [
      ...['id', "coalesce(owner, '')", 'request_digest', 'held_by', 'sealed', 'expires_at', 'bytes', 'sum'],
    ],
    ...{ keyColumns: 1, from: 'answers', rowsAtOnce: 4 },
  })
  const deliveries = createPages<
    readonly [place: number, ...DeliveryCells, isForgotten: number, bytes: number]
  >(database, {
    columns: [
      ...['place', ...deliveryColumns.split(', '), 'is_job_forgotten'],
      'octet_length(job) + octet_length(url) + 1024',
    ],
    ...{ keyColumns: 1, from: 'deliveries', rowsAtOnce: 100 },
  })
  const secrets = createPages<[number, string, Uint8Array, number, number | null, number]>(database, {
    columns: ['place', 'owner', 'sealed', 'created_at', 'ends_at', 'sum'],
    ...{ keyColumns: 1, from: 'webhook_secrets', rowsAtOnce: 500 },
  })
  return {
    *kept_answers(after) {
      for (const [id, owner, request_digest, held_by, sealed, expires_at, , sum] of answers(after)) {
        if (sum !== sumOfAnswer({ id, request_digest, held_by, sealed, expires_at }))
          throw damaged(`answer ${id}`)
        yield [id, owner, request_digest, held_by, sealed, expires_at, bytesOfAnswer(sealed)]
      }
    },
    *deliveries(after) {
      for (const cells of deliveries(after)) {
        const delivery = cells.slice(1, 15) as unknown as DeliveryCells
        if (!isWholeDelivery(delivery)) throw damaged(`delivery ${delivery[0]}`)
        yield [cells[0], ...delivery.slice(0, -1), cells[15] === 1, cells[16]]
      }
    },
    *webhook_secrets(after) {
      for (const [place, owner, sealed, createdAt, signsUntil, sum] of secrets(after)) {
        if (sum !== sumOfSecret({ owner, sealed, createdAt, signsUntil }))
          throw damaged(`a webhook secret of ${owner}`)
        yield [place, owner, sealed, createdAt, signsUntil]
      }
    },
  }
}

function damaged(row: string): SetupError {
  return new SetupError(
    'data_corrupt',
    `jobs.db: the row of ${row} is not the one that was written; restore a backup, or let a server delete it: modelward doctor names each`,
  )
}
