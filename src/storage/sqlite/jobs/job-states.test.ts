import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createTemporaryFolder } from '../../../../test/contract/temporary-folder.ts'
import { openJobDatabase } from './job-database.ts'
import { countStatesSql, createStateCount } from './job-states.ts'

test('counting states reads along indexes alone, and at most 1,000 jobs of a state', () => {
  const database = openJobDatabase(join(createTemporaryFolder(), 'jobs.db'))
  const plan = database.prepare<{ detail: string }>(`EXPLAIN QUERY PLAN ${countStatesSql}`).all()
  const ofJobs = plan.map(({ detail }) => detail).filter((detail) => /\bjobs\b/.test(detail))
  expect(ofJobs).toHaveLength(3)
  for (const detail of ofJobs) expect(detail).toMatch(/^SEARCH jobs USING (?:COVERING )?INDEX jobs_by_/)
  // Twice as many of each as are counted.
  database.exec(`
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 6000)
    INSERT INTO jobs (id, owner, key_id, model, kind, total, priority, attempts_max, created_at, status, version,
      done, attempts, error_code, error_detail, finished_at, expires_at, is_ready, due_at)
    SELECT 'job_' || n, 'o', 'k', 'm', 'single', 1, 0, 3, n, status, 1, 0, 1,
      iif(status = 'queued', NULL, 'internal'), iif(status = 'queued', NULL, 'd'),
      iif(status = 'queued', NULL, 1), iif(status = 'queued', NULL, 1), 0, iif(status = 'queued', 1, NULL)
    FROM (SELECT n, CASE n % 3 WHEN 0 THEN 'failed' WHEN 1 THEN 'dead' ELSE 'queued' END AS status FROM numbers)`)
  expect(createStateCount(database)()).toMatchObject({ retrying: 1_000, failed: 1_000, dead: 1_000 })
  database.close()
})
