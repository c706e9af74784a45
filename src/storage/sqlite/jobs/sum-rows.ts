import type { SqliteDatabase, SqliteStatement } from '../database.ts'
import { type DeliveryCells, deliveryColumns, sumOfDelivery } from './delivery-row.ts'
import { type AnswerRow, answerColumns, sumOfAnswer } from './job-answers.ts'
import { type JobCells, jobColumns, sumOfCells } from './job-row.ts'
import { type StoredSecret, secretColumns, sumOfSecret } from './job-secrets.ts'
import { sumOfText } from './row-sums.ts'

/**
 * A step of the schema: every row has a checksum from here on. Columns that the statements of
 * earlier versions name have another name: a server of such a version that has the file open
 * answers that the store is unavailable, and writes no row without a checksum.
 */
export function sumRows(database: SqliteDatabase): void {
  database.exec(`
    ALTER TABLE jobs RENAME COLUMN lease TO held_by;
    ALTER TABLE deliveries RENAME COLUMN lease TO held_by;
    ALTER TABLE answers RENAME COLUMN holder TO held_by;
    ALTER TABLE webhook_secrets RENAME COLUMN signs_until TO ends_at;
    ALTER TABLE jobs ADD COLUMN inputs_sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN answers_sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN sum INTEGER NOT NULL DEFAULT -1;
    ALTER TABLE deliveries ADD COLUMN sum INTEGER NOT NULL DEFAULT -1;
    ALTER TABLE answers ADD COLUMN sum INTEGER NOT NULL DEFAULT -1;
    ALTER TABLE webhook_secrets ADD COLUMN sum INTEGER NOT NULL DEFAULT -1;
    -- A damaged job is deleted without having ended.
    DROP TRIGGER jobs_removed;
    CREATE TRIGGER jobs_removed AFTER DELETE ON jobs BEGIN
      UPDATE owners SET
        queued = queued - (old.status = 'queued'),
        running = running - (old.status = 'running'),
        bytes = bytes - old.bytes
      WHERE owner = old.owner;
      UPDATE totals SET
        queued = queued - (old.status = 'queued'),
        running = running - (old.status = 'running'),
        bytes = bytes - old.bytes
      WHERE id = 1;
    END;
  `)
  sumTexts(database)
  const cellsOf = <Cells extends readonly (string | number | null)[]>(columns: string, table: string) =>
    database.prepareCells<Cells>(`SELECT ${columns} FROM ${table} WHERE rowid = ?`)
  const rowOf = <Row extends object>(columns: string, table: string) =>
    database.prepare<Row>(`SELECT ${columns} FROM ${table} WHERE rowid = ?`)
  sumTable(database, 'jobs', cellsOf<JobCells>(jobColumns, 'jobs'), sumOfCells)
  sumTable(database, 'deliveries', cellsOf<DeliveryCells>(deliveryColumns, 'deliveries'), sumOfDelivery)
  sumTable(database, 'answers', rowOf<AnswerRow>(answerColumns, 'answers'), sumOfAnswer)
  sumTable(database, 'webhook_secrets', rowOf<StoredSecret>(secretColumns, 'webhook_secrets'), sumOfSecret)
}

/** Texts are read and not written: they may be most of the file. */
function sumTexts(database: SqliteDatabase): void {
  const inputs = database.prepare<{ text: string }>('SELECT inputs AS text FROM job_inputs WHERE place = ?')
  const answers = database.prepare<{ text: string }>(
    'SELECT answers AS text FROM job_answers WHERE place = ? ORDER BY from_input',
  )
  const put = database.prepare('UPDATE jobs SET inputs_sum = ?, answers_sum = ? WHERE place = ?')
  const sumOf = (rows: readonly { readonly text: string }[]): number =>
    rows.reduce((sum, { text }) => sumOfText(text, sum), 0)
  for (const place of placesOf(database, 'jobs'))
    put.run(sumOf(inputs.all(place)), sumOf(answers.all(place)), place)
}

/** One row at a time, for it may be large. */
function sumTable<Row>(
  database: SqliteDatabase,
  table: string,
  select: SqliteStatement<Row>,
  sumOfRow: (row: Row) => number,
): void {
  const put = database.prepare(`UPDATE ${table} SET sum = ? WHERE rowid = ?`)
  for (const place of placesOf(database, table)) {
    const row = select.get(place)
    if (row !== undefined) put.run(sumOfRow(row), place)
  }
}

function placesOf(database: SqliteDatabase, table: string): readonly number[] {
  return database
    .prepareCells<[number]>(`SELECT rowid FROM ${table}`)
    .all()
    .map(([place]) => place)
}
