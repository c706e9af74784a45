import { createHash } from 'node:crypto'
import { every, type Scheduler } from '../../../core/scheduler.ts'
import { createOutageReport } from '../../../telemetry/outage-report.ts'
import type { Telemetry } from '../../../telemetry/telemetry.ts'
import type { Postgres } from '../postgres.ts'
import { type ListeningConnection, prepareListening } from './listening-connection.ts'

/** Tells of changes by any node. */
export interface ChangeListener {
  /** What changes notify. Channels are of the whole database, so its name is of the schema. */
  readonly channel: string
  /**
   * Calls the listener as soon as a change is heard, and every 200 ms while changes cannot be
   * heard. Returns how to stop it.
   */
  readonly onChange: (listener: () => void) => () => void
  readonly close: () => Promise<void>
}

export interface ChangeListenerOptions {
  readonly postgres: Pick<Postgres, 'query' | 'schema'>
  readonly url: string
  readonly scheduler: Scheduler
  readonly telemetry: Telemetry
}

/** Milliseconds between two calls while changes cannot be heard. */
const deafMs = 200
/** Milliseconds between two looks whether the connection is still there. */
const lookMs = 5_000
/** Milliseconds before the next connection where one that is there hears nothing. */
const deafRetryMs = 60_000

/**
 * Listens on a connection of its own, unless a pooler stands between. One that cannot be seen may
 * accept LISTEN and deliver nothing: so each new connection is trusted once this process has heard
 * itself.
 *
 * @throws SetupError `config_invalid`, `peer_missing`
 */
export async function openChangeListener(options: ChangeListenerOptions): Promise<ChangeListener> {
  const { postgres, scheduler, telemetry } = options
  const channel = channelOf(postgres.schema)
  const open = await prepareListening({ ...options, channel })
  const listeners = new Set<() => void>()
  const pauses = createPauses()
  let connection: ListeningConnection | undefined
  // Behind a pooler it is for ever.
  const outage = createOutageReport('keys.changes_not_heard', telemetry, { scheduler, isRepeated: false })
  let [isClosed, isHearing] = [false, false]
  let cancelNext = (): void => {}

  const tell = (): void => {
    for (const listener of listeners) listener()
  }

  async function hear(): Promise<void> {
    connection = await open(tell)
    if (isClosed) connection.end()
    if (!(await connection.hearsItself())) {
      pauses.next = deafRetryMs
      throw new Error('no notification comes back: a pooler stands between, or none is delivered')
    }
    pauses.reset()
    isHearing = true
    outage.passed()
    // What came while it did not listen.
    tell()
    throw await connection.lost
  }

  /** Ends when it hears no longer, or never did, and begins anew after a while. */
  async function listen(): Promise<void> {
    const fault: unknown = await hear().catch((error: unknown) => error)
    connection?.end()
    connection = undefined
    isHearing = false
    if (isClosed) return
    outage.failed(fault)
    cancelNext = scheduler.after(pauses.take(), begin)
  }

  let listening = listen()
  function begin(): void {
    listening = listen()
  }

  const stopTelling = every(scheduler, deafMs, () => {
    if (!isHearing) tell()
  })
  const stopLooking = every(scheduler, lookMs, () => connection?.look())
  return {
    channel,
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async close() {
      isClosed = true
      stopTelling()
      stopLooking()
      cancelNext()
      outage.stop()
      connection?.end()
      await listening
    },
  }
}

/** 63 bytes are the longest name of a channel, as of a schema. */
function channelOf(schema: string): string {
  return `modelward_keys_${createHash('sha256').update(schema).digest('hex').slice(0, 32)}`
}

/** Milliseconds to wait: 50 at first, then twice as many up to 2 s, each with jitter. */
function createPauses(): { readonly take: () => number; readonly reset: () => void; next: number } {
  const pauses = {
    next: 50,
    take(): number {
      const longest = pauses.next
      pauses.next = Math.min(longest * 2, 2_000)
      return longest * (0.5 + Math.random() / 2)
    },
    reset(): void {
      pauses.next = 50
    },
  }
  return pauses
}
