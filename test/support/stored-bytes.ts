import type { SqliteDatabase } from '../../src/storage/sqlite/database.ts'

interface OwnerCount {
  readonly owner: string
  readonly bytes: number
}

/** What a database of jobs says it stores, and what a scan of all of it says. */
export function compareStoredBytes(database: SqliteDatabase): {
  readonly kept: readonly OwnerCount[]
  readonly counted: readonly OwnerCount[]
} {
  const all = ''
  const kept = database.prepare<OwnerCount>(
    `SELECT owner, bytes FROM owners UNION ALL SELECT '${all}', bytes FROM totals ORDER BY owner`,
  )
  const counted = database.prepare<OwnerCount>(`
    WITH stored (owner, bytes) AS (
      SELECT owner, 1024 + coalesce(octet_length(inputs), 0)
          + coalesce((SELECT sum(octet_length(answers)) FROM job_answers WHERE place = jobs.place), 0)
        FROM jobs LEFT JOIN job_inputs USING (place)
      UNION ALL SELECT owner, 1024 + coalesce(length(sealed), 0) FROM answers
      UNION ALL SELECT owner, 1024 + octet_length(job) + octet_length(url) FROM deliveries
    )
    SELECT owner, sum(bytes) AS bytes FROM stored WHERE owner IS NOT NULL GROUP BY owner
    UNION ALL SELECT '${all}', coalesce(sum(bytes), 0) FROM stored ORDER BY owner`)
  const plain = ({ owner, bytes }: OwnerCount): OwnerCount => ({ owner, bytes })
  return { kept: kept.all().map(plain), counted: counted.all().map(plain) }
}
