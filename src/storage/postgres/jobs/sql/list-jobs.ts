import { jobStatuses } from '../../../../jobs/job.ts'
import { settings } from './functions.ts'

/**
 * Lists in the order of an index. These are functions for their settings: a plan that is made while
 * statistics lag behind would read and sort all jobs that there are.
 */
const ordered = `${settings} SET enable_sort = off`

/** @param status SQL of it */
function listOf(owner: 'any' | 'one', status: string): string {
  return `SELECT j.* FROM modelward.jobs AS j
      WHERE ${owner === 'one' ? 'j.owner = p_owner AND ' : ''}j.status = ${status}
        AND (j.created_at, j.id) < (p_created_at, p_id) AND (j.expires_at IS NULL OR j.expires_at > p_now)
      ORDER BY j.created_at DESC, j.id DESC LIMIT p_limit`
}

/**
 * Each index is by status: all jobs are a merge of six sorted lists, which reads no more rows than
 * it returns.
 */
function listOfAll(owner: 'any' | 'one'): string {
  return `SELECT * FROM (
      (${jobStatuses.map((status) => listOf(owner, `'${status}'`)).join(') UNION ALL (')})
    ) AS listed ORDER BY created_at DESC, id DESC LIMIT p_limit`
}

/** @param order a part of the index that it counts along */
function countOf(where: string, order: string): string {
  return `SELECT count(*) FROM (SELECT 1 FROM modelward.jobs WHERE ${where} ORDER BY ${order} LIMIT p_most) AS j`
}

/** Pages of jobs, the newest first, and how many are in each state. */
export const listFunctions: readonly string[] = [
  // Of each state as many as `p_most` at most; `open` are all that wait or run.
  `CREATE FUNCTION modelward.count_states(p_most int,
    OUT open bigint, OUT running bigint, OUT retrying bigint, OUT failed bigint, OUT dead bigint) ${ordered} AS $$
BEGIN
  open := (SELECT coalesce(sum(c.jobs), 0) FROM modelward.job_counts AS c);
  running := (SELECT count(*) FROM modelward.jobs WHERE status = 'running');
  retrying := (${countOf(`due_at IS NOT NULL AND status = 'queued'`, 'due_at')});
  failed := (${countOf(`status = 'failed'`, 'created_at, id')});
  dead := (${countOf(`status = 'dead'`, 'created_at, id')});
END $$`,
  // Of an owner, or of all where it is NULL; of a status, or of all.
  `CREATE FUNCTION modelward.list_jobs(
    p_owner text, p_status text, p_created_at bigint, p_id text, p_now bigint, p_limit int
  ) RETURNS SETOF modelward.jobs ${ordered} AS $$
BEGIN
  IF p_owner IS NULL AND p_status IS NULL THEN
    RETURN QUERY ${listOfAll('any')};
  ELSIF p_owner IS NULL THEN
    RETURN QUERY ${listOf('any', 'p_status')};
  ELSIF p_status IS NULL THEN
    RETURN QUERY ${listOfAll('one')};
  ELSE
    RETURN QUERY ${listOf('one', 'p_status')};
  END IF;
END $$`,
  `CREATE FUNCTION modelward.list_ended(p_finished_at bigint, p_id text, p_limit int)
RETURNS SETOF modelward.jobs ${ordered} AS $$
BEGIN
  RETURN QUERY SELECT j.* FROM modelward.jobs AS j
    WHERE j.finished_at IS NOT NULL AND (j.finished_at, j.id) < (p_finished_at, p_id)
    ORDER BY j.finished_at DESC, j.id DESC LIMIT p_limit;
END $$`,
]
