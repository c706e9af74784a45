import type { Client } from 'pg'
import type { Scheduler } from '../../../../core/scheduler.ts'
import { every } from '../../../../core/scheduler.ts'
import { createOutageReport } from '../../../../telemetry/outage-report.ts'
import { noTelemetry, type Telemetry } from '../../../../telemetry/telemetry.ts'
import { loadDriver, pgPackage } from '../../../load-driver.ts'
import { parseDatabaseUrl } from '../../database-url.ts'
import { isOwnBackend } from '../../own-backend.ts'
import type { Postgres } from '../../postgres.ts'
import { hintChannel } from './hint-channel.ts'

export interface HintListenerOptions {
  readonly postgres: Pick<Postgres, 'schema'>
  readonly url: string
  readonly scheduler: Scheduler
  readonly telemetry?: Telemetry | undefined
  /** Gets what was notified; undefined for what may have been while nothing was heard. */
  readonly onHint: (payload: string | undefined) => void
  /** From 0 on and below 1. @default Math.random */
  readonly random?: () => number
}

/** Listens as long as it is started. Both calls may come again and again. */
export interface HintListener {
  readonly start: () => void
  readonly stop: () => void
}

/** Milliseconds until a connection is given up that does not come about, or does not answer. */
const answerMs = 1_000
/** Milliseconds between two looks whether the server is still there. */
const lookMs = 5_000
/** Milliseconds before the next connection: twice as many each time. */
const [pauseMs, pauseMsMost] = [50, 2_000]
/** Milliseconds before the next connection where a pooler answered. */
const pooledPauseMs = 60_000

const pooled = new Error('a pooler stands before the server, and delivers no notifications')

/**
 * Listens on a connection of its own, and behind a pooler such as PgBouncer not at all: it would
 * deliver nothing. Who waits for a job looks again by itself.
 *
 * @throws SetupError `peer_missing`
 */
export async function createHintListener(options: HintListenerOptions): Promise<HintListener> {
  const { postgres, url, scheduler, telemetry = noTelemetry, onHint, random = Math.random } = options
  const { Client } = await loadDriver<typeof import('pg')>(pgPackage)
  const connectionString = parseDatabaseUrl(url).connectionString
  const channel = hintChannel(postgres.schema)
  let stop: (() => void) | undefined
  // Behind a pooler it is for ever.
  const outage = createOutageReport('jobs.hints_not_heard', telemetry, { scheduler, isRepeated: false })

  function listen(): () => void {
    let isStopped = false
    let pause = pauseMs
    let end = (): void => {}

    async function connect(): Promise<void> {
      const client = new Client({
        ...{ connectionString, connectionTimeoutMillis: answerMs, query_timeout: answerMs, keepAlive: true },
      })
      const fault = await hear(client, channel, scheduler, {
        onHint,
        onEnd: (close) => {
          end = close
        },
        onListening: () => {
          pause = pauseMs
          outage.passed()
          onHint(undefined)
        },
      })
      if (isStopped) return
      outage.failed(fault)
      const least = fault === pooled ? pooledPauseMs : pause
      end = scheduler.after(least * (0.5 + random() / 2), () => void connect())
      pause = Math.min(pauseMsMost, pause * 2)
    }

    void connect()
    return () => {
      isStopped = true
      end()
    }
  }

  return {
    start() {
      stop ??= listen()
    },
    stop() {
      stop?.()
      stop = undefined
    },
  }
}

interface Hearing {
  readonly onHint: (payload: string | undefined) => void
  readonly onListening: () => void
  /** Gets how to end it. */
  readonly onEnd: (end: () => void) => void
}

/** Resolves with what went wrong, once the connection is lost or was ended. */
async function hear(
  client: Client,
  channel: string,
  scheduler: Scheduler,
  { onHint, onListening, onEnd }: Hearing,
): Promise<unknown> {
  const lost = Promise.withResolvers<unknown>()
  client.on('error', lost.resolve)
  client.on('end', () => lost.resolve(new Error('the server ended the connection')))
  client.on('notification', ({ payload }) => onHint(payload ?? ''))
  onEnd(() => lost.resolve(new Error('it was ended')))
  const stopLooking = every(scheduler, lookMs, () => void client.query('SELECT 1').catch(lost.resolve))
  const listen = async (): Promise<void> => {
    await client.connect()
    if (!(await isOwnBackend(client))) throw pooled
    await client.query(`LISTEN ${channel}`)
    onListening()
  }
  listen().catch(lost.resolve)
  const fault = await lost.promise
  stopLooking()
  // A server that does not answer would not end it either.
  client.connection.stream.destroy()
  return fault
}
