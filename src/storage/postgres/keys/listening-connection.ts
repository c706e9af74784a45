import { randomUUID } from 'node:crypto'
import type { Client, ClientConfig } from 'pg'
import type { Scheduler } from '../../../core/scheduler.ts'
import { loadDriver, pgPackage } from '../../load-driver.ts'
import { parseDatabaseUrl } from '../database-url.ts'
import { isOwnBackend } from '../own-backend.ts'
import type { Postgres } from '../postgres.ts'

/** A connection that listens on one channel. */
export interface ListeningConnection {
  /**
   * Whether a notification of our own comes back in time. Rejects if the server cannot be asked, or
   * the connection is lost.
   */
  readonly hearsItself: () => Promise<boolean>
  /** Asks whether the server is still there. */
  readonly look: () => void
  /** Resolves with what went wrong, once it is lost or was ended. */
  readonly lost: Promise<unknown>
  readonly end: () => void
}

/** Opens one. Rejects if it does not come about in its time. */
export type OpenListening = (onHeard: () => void) => Promise<ListeningConnection>

export interface ListeningOptions {
  /** Notifies this process of itself, on another connection than the one that listens. */
  readonly postgres: Pick<Postgres, 'query'>
  readonly url: string
  readonly channel: string
  readonly scheduler: Scheduler
}

/** Milliseconds in which this process must hear itself. */
const heardMs = 500
/** Milliseconds until a connection is given up that does not come about, or does not answer. */
const answerMs = 1_000

/** @throws SetupError `config_invalid`, `peer_missing` */
export async function prepareListening(options: ListeningOptions): Promise<OpenListening> {
  const { Client } = await loadDriver<typeof import('pg')>(pgPackage)
  const config: ClientConfig = {
    connectionString: parseDatabaseUrl(options.url).connectionString,
    connectionTimeoutMillis: answerMs,
    query_timeout: answerMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  }
  return (onHeard) => listen(new Client(config), options, onHeard)
}

async function listen(
  client: Client,
  { postgres, channel, scheduler }: ListeningOptions,
  onHeard: () => void,
): Promise<ListeningConnection> {
  const token = randomUUID()
  const heard = Promise.withResolvers<true>()
  const lost = Promise.withResolvers<unknown>()
  client.on('error', lost.resolve)
  client.on('end', () => lost.resolve(new Error('the server ended the connection')))
  client.on('notification', ({ payload }) => {
    if (payload === token) heard.resolve(true)
    else onHeard()
  })
  const end = (): void => {
    lost.resolve(new Error('the connection was ended'))
    // A server that does not answer would not end it either.
    client.connection.stream.destroy()
  }
  let isOurs = false
  try {
    await client.connect()
    isOurs = await isOwnBackend(client)
    if (isOurs) await client.query(`LISTEN ${channel}`)
  } catch (fault) {
    end()
    throw fault
  }
  return {
    async hearsItself() {
      if (!isOurs) return false
      await postgres.query('SELECT pg_notify($1, $2)', [channel, token])
      const late = Promise.withResolvers<false>()
      const cancel = scheduler.after(heardMs, () => late.resolve(false))
      const gone = lost.promise.then((fault) => Promise.reject(fault))
      return Promise.race([heard.promise, late.promise, gone]).finally(cancel)
    },
    look: () => void client.query('SELECT 1').catch(lost.resolve),
    lost: lost.promise,
    end,
  }
}
