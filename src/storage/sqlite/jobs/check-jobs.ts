import { SetupError } from '../../../core/setup-error.ts'
import { damageOf } from '../damage.ts'
import type { SqliteDatabase } from '../database.ts'
import { openInProcess } from '../driver.ts'
import { takeStep } from '../prepare-database.ts'
import { inTransaction } from '../transaction.ts'
import { jobSteps } from './job-schema.ts'

/**
 * Tables in which a flipped bit could hide a row. Texts are in others: what a job's row says of
 * them tells that they are missing.
 */
const checked = [
  ...['jobs', 'deliveries', 'answers', 'webhook_secrets'],
  ...['owners', 'totals', 'turns', 'delivery_turns'],
] as const

/**
 * Checks what rows' own checksums cannot tell: that each row is found, by every index. What is
 * derived from the rows is made anew where it is not what they add up to.
 *
 * @throws SetupError `data_corrupt`
 */
export function checkJobs(database: SqliteDatabase, file: string): void {
  // First: by a damaged schema a check may read anything.
  const complaints = hasSchema(database)
    ? checked.flatMap((table) => damageOf(database, table))
    : ['the schema is not the one that was written']
  if (complaints.length > 0)
    throw new SetupError(
      'data_corrupt',
      `${file}: the jobs are damaged: ${complaints.slice(0, 3).join('; ')}; restore a backup, or move the file away to begin without its jobs`,
    )
  inTransaction(database, () => {
    renewCounts(database)
    renewTurns(database)
  })
}

/** Whether tables, indexes and triggers are those that the steps make, to the letter. */
function hasSchema(database: SqliteDatabase): boolean {
  const made = openInProcess()
  try {
    for (const step of jobSteps) takeStep(made, step)
    return schemaOf(database) === schemaOf(made)
  } finally {
    made.close()
  }
}

function schemaOf(database: SqliteDatabase): string {
  const rows = database.prepareCells(
    'SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name',
  )
  return JSON.stringify(rows.all())
}

/** What `owners` holds, by the rows that it counts. */
const owned = `
  SELECT owner, sum(queued) AS queued, sum(running) AS running, sum(bytes) AS bytes FROM (
    SELECT owner, status = 'queued' AS queued, status = 'running' AS running, bytes FROM jobs
    UNION ALL SELECT owner, 0, 0, bytes FROM answers
    UNION ALL SELECT owner, 0, 0, octet_length(job) + octet_length(url) + 1024 FROM deliveries
  ) GROUP BY owner`

const dueOf = 'SELECT owner, min(due_at) AS due_at FROM deliveries WHERE due_at IS NOT NULL GROUP BY owner'

function renewCounts(database: SqliteDatabase): void {
  database.exec(`
    CREATE TEMP TABLE counted AS ${owned};
    CREATE TEMP TABLE due AS ${dueOf};
  `)
  const differ = (one: string, other: string): boolean =>
    database.prepare(`SELECT 1 FROM (${one} EXCEPT ${other}) LIMIT 1`).get() !== undefined
  const renew = (table: string, columns: string, wanted: string): void => {
    const is = `SELECT ${columns} FROM ${table}`
    if (!differ(wanted, is) && !differ(is, wanted)) return
    database.exec(`DELETE FROM ${table}; INSERT INTO ${table} (${columns}) ${wanted}`)
  }
  const columns = 'owner, queued, running, bytes'
  renew('owners', columns, `SELECT ${columns} FROM temp.counted WHERE owner IS NOT NULL`)
  renew('delivery_turns', 'owner, due_at', 'SELECT owner, due_at FROM temp.due')
  database.exec(`
    INSERT INTO totals (id, queued, running, served, bytes) VALUES (1, 0, 0, 0, 0) ON CONFLICT DO NOTHING;
    UPDATE totals SET (queued, running, bytes) = (
      SELECT coalesce(sum(queued), 0), coalesce(sum(running), 0), coalesce(sum(bytes), 0) FROM temp.counted
    ) WHERE (queued, running, bytes) <> (
      SELECT coalesce(sum(queued), 0), coalesce(sum(running), 0), coalesce(sum(bytes), 0) FROM temp.counted
    );
    DROP TABLE temp.counted;
    DROP TABLE temp.due;
  `)
}

/** Beyond what counting by one reaches. */
const servedMax = 2 ** 50

/** A ready job whose owner has no turn would wait for ever. */
function renewTurns(database: SqliteDatabase): void {
  database.exec(`
    UPDATE turns SET served = 0 WHERE served NOT BETWEEN 0 AND ${servedMax};
    UPDATE totals SET served = (SELECT coalesce(max(served), 0) FROM turns)
      WHERE served NOT BETWEEN (SELECT coalesce(max(served), 0) FROM turns) AND ${servedMax};
    INSERT INTO turns (owner, model, served, has_ready)
      SELECT DISTINCT jobs.owner, jobs.model, totals.served, 1 FROM jobs JOIN totals WHERE is_ready = 1
      ON CONFLICT DO UPDATE SET has_ready = 1 WHERE has_ready = 0;
  `)
}
