import { needsInputs } from '../../../jobs/transitions.ts'
import type { RowMacs } from '../../../secrets/row-macs.ts'
import type { CopiedRow } from '../../copy/copied-tables.ts'
import type { RowSieve } from '../../copy/damaged-rows.ts'
import { bytesOfAnswer } from '../../job-row-bytes.ts'
import { hashAnswers, hashOf, macedAnswer, macedDelivery, macedJob, macedSecret } from '../../job-row-macs.ts'
import { piecesOf } from '../../text-pieces.ts'
import type { SqliteDatabase, SqlValue } from '../database.ts'
import { type DeliveryCells, deliveryColumns, isWholeDelivery } from '../jobs/delivery-row.ts'
import { sumOfAnswer } from '../jobs/job-answers.ts'
import { type JobCells, jobColumns, readJob, type StoredJob } from '../jobs/job-row.ts'
import { sumOfSecret } from '../jobs/job-secrets.ts'
import { DamagedRow, sumOfText } from '../jobs/row-sums.ts'
import { createPages, type PagedTable } from './page-rows.ts'
import type { RowReaders } from './row-readers.ts'

/**
 * The rows of `jobs.db`, each as far as its checksum says that it is the one that was written, with
 * the MACs that a fleet's have.
 */
export function jobRows(database: SqliteDatabase, sieve: RowSieve, macs: RowMacs): RowReaders {
  database.exec(leftOutTables)
  return {
    ...readersOfJobs(database, sieve, macs),
    ...readersOfCounts(database, sieve),
    ...readersOfOthers(database, sieve, macs),
  }
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

function readersOfJobs(database: SqliteDatabase, sieve: RowSieve, macs: RowMacs): RowReaders {
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
        const row = sieve.pass({ table: 'jobs', row: `job ${cells[2]}`, key: cells[0] }, () => {
          const stored = readJob(cells.slice(0, 27) as unknown as JobCells)
          return jobRow(macs, stored, { ...measure(stored), isReady: isReady === 1, dueAt, bytes, values })
        })
        if (row !== undefined) yield row
      }
    },
    *job_inputs(after) {
      // The pieces of a row are written in any number of statements.
      const before = after && [Number(after[0]) - 1]
      for (const [place, text] of inputs(before)) {
        if (sieve.has('jobs', place)) continue
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
        if (sieve.has('jobs', place)) continue
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

/** A job's texts. */
interface TextMeasures {
  /** Of the inputs, which a job that needs them no more has lost. */
  readonly characters: number
  readonly pieces: number
  readonly inputsHash: Uint8Array
  readonly answersHash: Uint8Array | null
}

/** Measures a job's texts, all of them being those that were written. */
function createMeasure(database: SqliteDatabase): (stored: StoredJob) => TextMeasures {
  const findInputs = database.prepare<{ inputs: string }>('SELECT inputs FROM job_inputs WHERE place = ?')
  const findAnswers = database.prepare<{ from_input: number; answers: string }>(
    'SELECT from_input, answers FROM job_answers WHERE place = ? AND from_input > ? ORDER BY from_input LIMIT 1',
  )
  return ({ place, job, inputsSum, answersSum }) => {
    let sum = 0
    const answers = hashAnswers()
    for (let found = findAnswers.get(place, -1); found !== undefined; ) {
      sum = sumOfText(found.answers, sum)
      answers.add(found.from_input, found.answers)
      found = findAnswers.get(place, found.from_input)
    }
    if (sum !== answersSum) throw new DamagedRow(`job ${job.id}, its answers`)
    const answersHash = answers.end()
    if (!needsInputs(job.status)) return { characters: 0, pieces: 1, inputsHash: hashOf(''), answersHash }
    const inputs = findInputs.get(place)?.inputs
    if (inputs === undefined || sumOfText(inputs) !== inputsSum)
      throw new DamagedRow(`job ${job.id}, its inputs`)
    const pieces = [...piecesOf(inputs)].length
    return { characters: inputs.length, pieces, inputsHash: hashOf(inputs), answersHash }
  }
}

interface JobMeasures extends TextMeasures {
  readonly isReady: boolean
  readonly dueAt: number | null
  readonly bytes: number
  readonly values: number
}

function jobRow(
  macs: RowMacs,
  { place, job, lease, answerBytes }: StoredJob,
  { characters, pieces, isReady, dueAt, bytes, values, ...hashes }: JobMeasures,
): CopiedRow {
  const error = job.error === null ? null : JSON.stringify(job.error)
  const mac = macs.of(...macedJob({ job, error, answerBytes, answerValues: values, ...hashes }))
  return [
    ...[place, job.id, job.owner, job.keyId, job.requestId, job.model, job.kind, job.total, job.priority],
    ...[job.attemptsMax, job.webhook, job.createdAt, characters, pieces, job.status, job.version, job.done],
    ...[job.errors, job.attempts, error],
    ...[job.startedAt, job.finishedAt, job.expiresAt, lease, isReady, dueAt, bytes, answerBytes, values],
    ...[hashes.inputsHash, hashes.answersHash, mac],
  ]
}

/** Rows that do not come along, and what those that do add up to. */
const leftOutTables = `
  CREATE TEMP TABLE left_out (name TEXT NOT NULL, key NOT NULL, PRIMARY KEY (name, key));
  CREATE TEMP TABLE owned (owner TEXT PRIMARY KEY, jobs INTEGER NOT NULL, bytes INTEGER NOT NULL)`

const isLeftOut = (table: string, key: string): string =>
  `${key} IN (SELECT key FROM temp.left_out WHERE name = '${table}')`

// Whose an answer of an old version is, its row does not say.
const fillOwned = `
  INSERT INTO temp.owned SELECT owner, sum(jobs), sum(bytes) FROM (
    SELECT owner, status IN ('queued', 'running') AS jobs, bytes FROM jobs WHERE NOT ${isLeftOut('jobs', 'place')}
    UNION ALL SELECT coalesce(owner, ''), 0, bytes FROM answers WHERE NOT ${isLeftOut('kept_answers', 'id')}
    UNION ALL SELECT owner, 0, octet_length(job) + octet_length(url) + 1024 FROM deliveries
      WHERE NOT ${isLeftOut('deliveries', 'place')}
  ) GROUP BY owner`

/**
 * What is derived from the rows is that of those that come along: what is left out is known before
 * the first of these tables is read, and before deliveries are.
 */
function readersOfCounts(database: SqliteDatabase, sieve: RowSieve): RowReaders {
  const leaveOut = database.prepare('INSERT INTO temp.left_out VALUES (?, ?)')
  const tables = ['jobs', 'kept_answers', 'deliveries']
  let isCounted = false
  function counted(readers: RowReaders): RowReaders {
    const count = (): void => {
      if (isCounted) return
      isCounted = true
      for (const table of tables) for (const key of sieve.keysOf(table)) leaveOut.run(table, key)
      database.exec(fillOwned)
    }
    return Object.fromEntries(
      Object.entries(readers).map(([name, read]) => [
        name,
        function* countedFirst(after) {
          count()
          yield* read(after)
        },
      ]),
    )
  }
  return counted(readersOfTurns(database))
}

function readersOfTurns(database: SqliteDatabase): RowReaders {
  const turns = createPages<[string, string, number, number]>(database, {
    columns: [
      ...['owner', 'model', 'served'],
      `EXISTS (SELECT 1 FROM jobs WHERE is_ready = 1 AND jobs.owner = turns.owner AND jobs.model = turns.model
        AND NOT ${isLeftOut('jobs', 'place')})`,
    ],
    ...{ keyColumns: 2, from: 'turns', rowsAtOnce: 500 },
  })
  const owners = createPages<[string, number, number]>(database, {
    ...{ columns: ['owner', 'jobs', 'bytes'], keyColumns: 1, from: 'temp.owned', rowsAtOnce: 500 },
  })
  const deliveryTurns = createPages<[string, number]>(database, {
    columns: ['owner', 'min(due_at)'],
    where: `due_at IS NOT NULL AND NOT ${isLeftOut('deliveries', 'place')}`,
    ...{ keyColumns: 1, from: 'deliveries', groupBy: 'owner', rowsAtOnce: 500 },
  })
  const totals = database.prepareCells<[jobs: number, bytes: number, served: number]>(
    `SELECT (SELECT coalesce(sum(jobs), 0) FROM temp.owned), (SELECT coalesce(sum(bytes), 0) FROM temp.owned), served
     FROM totals WHERE id = 1`,
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

function readersOfOthers(database: SqliteDatabase, sieve: RowSieve, macs: RowMacs): RowReaders {
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
      ...['place', ...deliveryColumns.split(', ')],
      `is_job_forgotten OR job_id IN (SELECT jobs.id FROM jobs WHERE ${isLeftOut('jobs', 'place')})`,
      'octet_length(job) + octet_length(url) + 1024',
    ],
    ...{ keyColumns: 1, from: 'deliveries', rowsAtOnce: 100 },
  })
  const secrets = createPages<[number, string, Uint8Array, number, number | null, number]>(database, {
    columns: ['place', 'owner', 'sealed', 'created_at', 'ends_at', 'sum'],
    ...{ keyColumns: 1, from: 'webhook_secrets', rowsAtOnce: 500 },
  })
  const isPassed = (at: Parameters<RowSieve['pass']>[0], isWhole: boolean): boolean =>
    sieve.pass(at, () => {
      if (!isWhole) throw new DamagedRow(at.row)
      return true
    }) === true
  return {
    *kept_answers(after) {
      for (const [id, owner, request_digest, held_by, sealed, expires_at, , sum] of answers(after)) {
        const row = `answer ${id}`
        const isWhole = sum === sumOfAnswer({ id, request_digest, held_by, sealed, expires_at })
        if (!isPassed({ table: 'kept_answers', row, key: id }, isWhole)) continue
        const answer = { id, requestDigest: request_digest, holder: held_by, sealed, expiresAt: expires_at }
        const mac = macs.of(...macedAnswer(answer))
        yield [id, owner, request_digest, held_by, sealed, expires_at, bytesOfAnswer(sealed), mac]
      }
    },
    *deliveries(after) {
      for (const cells of deliveries(after)) {
        const delivery = cells.slice(1, 15) as unknown as DeliveryCells
        const row = `webhook ${delivery[0]}`
        if (!isPassed({ table: 'deliveries', row, key: cells[0] }, isWholeDelivery(delivery))) continue
        const [id, jobId, owner, url, job] = delivery
        const mac = macs.of(...macedDelivery({ id, jobId, owner, url, job, createdAt: delivery[8] }))
        yield [cells[0], ...delivery.slice(0, -1), cells[15] === 1, cells[16], mac]
      }
    },
    *webhook_secrets(after) {
      for (const [place, owner, sealed, createdAt, signsUntil, sum] of secrets(after)) {
        const row = `a webhook secret of ${owner}`
        const isWhole = sum === sumOfSecret({ owner, sealed, createdAt, signsUntil })
        if (!isPassed({ table: 'webhook_secrets', row, key: place }, isWhole)) continue
        const mac = macs.of(...macedSecret({ owner, sealed, createdAt }))
        yield [place, owner, sealed, createdAt, signsUntil, mac]
      }
    },
  }
}
