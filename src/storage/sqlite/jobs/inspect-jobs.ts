import { needsInputs } from '../../../jobs/transitions.ts'
import type { SqliteDatabase } from '../database.ts'
import { type DeliveryCells, deliveryColumns, isWholeDelivery } from './delivery-row.ts'
import { type AnswerRow, answerColumns, sumOfAnswer } from './job-answers.ts'
import { type JobCells, jobColumns, readJob } from './job-row.ts'
import { type StoredSecret, secretColumns, sumOfSecret } from './job-secrets.ts'
import { createJobTable } from './job-table.ts'
import { unlessDamaged } from './row-sums.ts'

/** Rows whose checksum does not fit them, as people name them. Reads the whole file. */
export function findDamagedRows(database: SqliteDatabase): readonly string[] {
  return [
    ...damagedIn(database, 'jobs', 'job', createJobCheck(database)),
    ...damagedIn(database, 'deliveries', 'webhook', createDeliveryCheck(database)),
    ...damagedIn(database, 'answers', 'answer', createAnswerCheck(database)),
    ...damagedIn(database, 'webhook_secrets', 'a webhook secret of', createSecretCheck(database)),
  ]
}

/** Whether a row is the one that was written. */
type RowCheck = (place: number) => boolean

function damagedIn(
  database: SqliteDatabase,
  table: string,
  title: string,
  isWhole: RowCheck,
): readonly string[] {
  const name = table === 'webhook_secrets' ? 'owner' : 'id'
  const rows = database
    .prepareCells<[place: number, name: string]>(`SELECT rowid, ${name} FROM ${table}`)
    .all()
  return rows
    .filter(([place]) => unlessDamaged(() => isWhole(place)) !== true)
    .map(([, named]) => `${title} ${named}`)
}

function createJobCheck(database: SqliteDatabase): RowCheck {
  const select = database.prepareCells<JobCells>(`SELECT ${jobColumns} FROM jobs WHERE place = ?`)
  const jobs = createJobTable(database)
  return (place) => {
    const cells = select.get(place)
    if (cells === undefined) return true
    const stored = readJob(cells)
    const hasInputs = !needsInputs(stored.job.status) || jobs.findInputs(stored) !== undefined
    return hasInputs && jobs.hasWholeAnswers(stored)
  }
}

function createDeliveryCheck(database: SqliteDatabase): RowCheck {
  const select = database.prepareCells<DeliveryCells>(
    `SELECT ${deliveryColumns} FROM deliveries WHERE place = ?`,
  )
  return (place) => {
    const cells = select.get(place)
    return cells === undefined || isWholeDelivery(cells)
  }
}

function createAnswerCheck(database: SqliteDatabase): RowCheck {
  const select = database.prepare<AnswerRow & { readonly sum: number }>(
    `SELECT ${answerColumns}, sum FROM answers WHERE rowid = ?`,
  )
  return (place) => {
    const row = select.get(place)
    return row === undefined || row.sum === sumOfAnswer(row)
  }
}

function createSecretCheck(database: SqliteDatabase): RowCheck {
  const select = database.prepare<StoredSecret>(
    `SELECT ${secretColumns} FROM webhook_secrets WHERE place = ?`,
  )
  return (place) => {
    const row = select.get(place)
    return row === undefined || row.sum === sumOfSecret(row)
  }
}
