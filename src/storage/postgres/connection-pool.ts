import type { Pool, PoolClient, PoolConfig, QueryConfig, QueryResult, QueryResultRow } from 'pg'
import { withinDeadline } from '../../core/deadline.ts'
import { Fault } from '../../core/fault.ts'
import { awaitedScheduler } from '../../core/scheduler.ts'
import { busyPool } from './postgres-error.ts'

/**
 * The driver's pool, with deadlines of our own. The driver's timers are run before what has arrived
 * is read: while a process is busy for as long as they take, all that waits for the server would
 * fail, though each answer is there.
 */
export interface ConnectionPool {
  /** A connection, which its caller releases. Rejects with the driver's error, or a fault. */
  readonly connect: () => Promise<PoolClient>
  /**
   * The rows of one statement on a connection of `connect`. What is given up goes on there: its
   * connection is not used again.
   */
  readonly ask: <Row extends object>(client: PoolClient, asked: QueryConfig) => Promise<readonly Row[]>
  readonly end: () => Promise<void>
}

export interface PoolOptions extends PoolConfig {
  readonly max: number
  /** Milliseconds of one statement, its way included. */
  readonly queryTimeoutMs: number
  /** Milliseconds until a connection is given up that does not come about, or is not free. */
  readonly connectTimeoutMs: number
  /** The code of what is late. */
  readonly fault: Fault['code']
}

/**
 * The driver gives a connection up, and its place in the pool, after so many times as long as we
 * wait for it: a busy process has our time for it all the same.
 */
const driverShare = 2

/** Opens no connection yet. */
export function createConnectionPool(
  { Pool }: typeof import('pg'),
  { queryTimeoutMs, connectTimeoutMs, fault, ...config }: PoolOptions,
): ConnectionPool {
  const pool: Pool = new Pool({
    ...config,
    connectionTimeoutMillis: connectTimeoutMs * driverShare,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    allowExitOnIdle: true,
  })
  // Of a connection that waits in the pool: it leaves the pool, and the next statement opens one.
  pool.on('error', ignore)
  // Of one in use: it rejects the statement that runs, or the next. Without a listener it would end
  // the process, also between a connection's first answer and the work that awaits it.
  pool.on('connect', (client) => client.on('error', ignore))
  const late = { name: 'PostgreSQL', code: fault, scheduler: awaitedScheduler }
  return {
    async connect() {
      const isBusy = pool.totalCount >= config.max && pool.idleCount === 0
      const connecting = pool.connect()
      try {
        return await withinDeadline(connecting, {
          ...late,
          deadlineMs: connectTimeoutMs,
          // The server answers several times until there is one.
          waits: 2,
          // One that comes about all the same is for others.
          onGiveUp: () => connecting.then((client) => client.release()).catch(() => {}),
        })
      } catch (error) {
        throw error instanceof Fault && isBusy ? busyPool() : error
      }
    },
    async ask<Row extends object>(client: PoolClient, asked: QueryConfig): Promise<readonly Row[]> {
      // The driver makes no promise of a statement that stands in the place of a text.
      const answer = Promise.withResolvers<QueryResult<Row & QueryResultRow>>()
      void client.query<Row & QueryResultRow>(asked, (error, result) => {
        if (error) answer.reject(error)
        else answer.resolve(result)
      })
      return (await withinDeadline(answer.promise, { ...late, deadlineMs: queryTimeoutMs })).rows
    },
    end: () => pool.end(),
  }
}

function ignore(): void {}
