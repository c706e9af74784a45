/**
 * How every function runs. A lock is waited for as long as in a transaction. Each table is read by
 * an index whatever its statistics say: a connection plans once, maybe while a table is empty, and
 * would read all of it from then on.
 */
export const settings: string = `LANGUAGE plpgsql
  SET lock_timeout = '900ms' SET jit = off SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off`

/** The row of `job_counts` that this connection changes: others change others, and none waits. */
export const ownCount: string = 'id = pg_backend_pid() % 16'

/**
 * What is read once a lock is held must be what was committed before: a server whose transactions
 * all read what was when they began, by `default_transaction_isolation`, would lose jobs.
 */
export const onlyCommitted: string = `IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE 'set default_transaction_isolation to read committed';
  END IF;`
