import { setTimeout as sleep } from 'node:timers/promises'
import type { QueryConfig } from 'pg'
import { Fault } from '../../core/fault.ts'
import { loadDriver, pgPackage } from '../load-driver.ts'
import { boundStatement } from './bounded-statement.ts'
import { type ConnectionPool, createConnectionPool } from './connection-pool.ts'
import { parseDatabaseUrl } from './database-url.ts'
import { describePostgresError, isRefusedStatement, whoseError, withoutValues } from './postgres-error.ts'
import type { StoreReport } from './store-outage.ts'

/** One statement. Rejects with the fault of its `Postgres`. */
export type Query = <Row extends object = Record<string, unknown>>(
  text: string,
  values?: readonly unknown[],
) => Promise<readonly Row[]>

/**
 * A pool of connections to one deployment's schema. Nothing outlives a transaction on a connection,
 * so all of it works through a pooler such as PgBouncer in transaction mode.
 */
export interface Postgres {
  /** The schema as it stands in SQL, quoted: every name is written `${schema}.keys`. */
  readonly schema: string
  /** What messages call it: host, port, database and schema. */
  readonly name: string
  /** On any connection. The server ends it where it takes longer than this process waits. */
  readonly query: Query
  /**
   * On one connection, from BEGIN to COMMIT; rolled back if `run` rejects. It waits for locks
   * 900 ms at most, and the server ends it where this process says nothing for too long.
   *
   * @param mode such as `ISOLATION LEVEL REPEATABLE READ READ ONLY`
   */
  readonly transaction: <Result>(run: (query: Query) => Promise<Result>, mode?: string) => Promise<Result>
  /** Ends the connections; what is asked from then on is the fault. Twice is once. */
  readonly close: () => Promise<void>
}

export interface PostgresOptions {
  /** See `parseDatabaseUrl`. */
  readonly url: string
  /** What every failure is: no error of the driver reaches a caller, except as its cause. */
  readonly fault: 'store_unavailable' | 'ledger_unavailable'
  /** @default 10 */
  readonly connectionsMax?: number
  /** Milliseconds, of one statement, its way included. @default 1,000 */
  readonly queryTimeoutMs?: number
  /** Milliseconds until a connection is given up that does not come about. @default 1,000 */
  readonly connectTimeoutMs?: number
  /**
   * Milliseconds between two statements of a transaction after which the server ends it.
   * @default 10,000
   */
  readonly silenceMs?: number
  /** Gets what came of each statement, as far as it is the server's as a whole. @default none */
  readonly report?: StoreReport | undefined
}

/** Of a command, for which no request waits. */
export const commandDeadlines: Required<Pick<PostgresOptions, 'queryTimeoutMs' | 'connectTimeoutMs'>> = {
  queryTimeoutMs: 5_000,
  connectTimeoutMs: 5_000,
}

/**
 * Of the time that this process waits for a statement, what the server has for it: one that is late
 * has ended there before this process leaves its connection for another.
 */
const serverShare = 0.9

/** Milliseconds until connections are given up that do not end. */
const endMs = 1_000

/** The type `bigint`, as PostgreSQL numbers its types. */
const int8 = 20

/** Opens no connection yet. @throws SetupError `config_invalid`, `peer_missing` */
export async function openPostgres(options: PostgresOptions): Promise<Postgres> {
  const { url, fault, connectionsMax = 10, queryTimeoutMs = 1_000, silenceMs = 10_000 } = options
  const { connectionString, schema, name } = parseDatabaseUrl(url)
  const { connectTimeoutMs = 1_000 } = options
  const driver = await loadDriver<typeof import('pg')>(pgPackage)
  const pool = createConnectionPool(driver, {
    ...{ connectionString, max: connectionsMax, queryTimeoutMs, connectTimeoutMs, fault },
    // The driver's own parsers belong to the whole process, which may use the driver too.
    types: {
      getTypeParser: (type: number) =>
        type === int8 ? readInteger : driver.types.getTypeParser(type, 'text'),
    },
  })
  const failing = failWith(fault, name, options.report)
  const statementMs = Math.ceil(queryTimeoutMs * serverShare)
  let closing: Promise<void> | undefined
  const checkOpen = (): void => {
    if (closing !== undefined) throw new Fault(fault, `${name}: it is closed`)
  }
  return {
    schema: `"${schema}"`,
    name,
    async query(text, values = []) {
      checkOpen()
      const asked = { text, values: [...values], queryMode: 'extended' }
      return failing(() => askOnce(pool, boundStatement(new driver.Query(asked), statementMs)))
    },
    async transaction(run, mode = '') {
      checkOpen()
      return runTransaction(pool, failing, run, `${mode}; ${transactionSettings(silenceMs, statementMs)}`)
    },
    close() {
      // A server that does not answer does not end its connections either; they keep no process.
      closing ??= Promise.race([pool.end(), sleep(endMs, undefined, { ref: false })])
      return closing
    },
  }
}

function readInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError('an integer beyond 2^53')
  return value
}

/**
 * A process that is frozen, or a machine that is gone without a word, holds its locks no longer:
 * all nodes wait for these, and a reader that goes forward through the ledger for every open
 * transaction.
 */
function transactionSettings(silenceMs: number, statementMs: number): string {
  return `SET LOCAL lock_timeout = '900ms'; SET LOCAL statement_timeout = ${statementMs}; SET LOCAL idle_in_transaction_session_timeout = ${silenceMs}`
}

type Failing = <Result>(run: () => Promise<Result>) => Promise<Result>

async function runTransaction<Result>(
  pool: ConnectionPool,
  failing: Failing,
  run: (query: Query) => Promise<Result>,
  begin: string,
): Promise<Result> {
  const client = await failing(() => pool.connect())
  // Whether it is unknown what state the connection is in: it is not used again.
  let isBroken = false
  async function ask<Row extends object>(text: string, values: readonly unknown[]): Promise<readonly Row[]> {
    try {
      return await pool.ask<Row>(client, { text, values: [...values] })
    } catch (error) {
      isBroken ||= !isRefusedStatement(error)
      throw error
    }
  }
  const query: Query = (text, values = []) => failing(() => ask(text, values))
  try {
    await query(`BEGIN ${begin}`)
    const result = await run(query)
    await query('COMMIT')
    return result
  } catch (error) {
    if (!isBroken) await query('ROLLBACK').catch(() => {})
    throw error
  } finally {
    client.release(isBroken)
  }
}

async function askOnce<Row extends object>(
  pool: ConnectionPool,
  statement: QueryConfig,
): Promise<readonly Row[]> {
  const client = await pool.connect()
  let isBroken = true
  try {
    const rows = await pool.ask<Row>(client, statement)
    isBroken = false
    return rows
  } finally {
    client.release(isBroken)
  }
}

function failWith(code: PostgresOptions['fault'], name: string, report: StoreReport | undefined): Failing {
  return async (run) => {
    try {
      const result = await run()
      report?.passed()
      return result
    } catch (error) {
      const cause = withoutValues(error)
      const whose = whoseError(error)
      if (whose === 'server') report?.failed(cause)
      // An answer all the same.
      else if (whose === 'statement') report?.passed()
      throw new Fault(code, `${name}: ${describePostgresError(error)}`, { cause })
    }
  }
}
