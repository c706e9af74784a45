import { randomUUID } from 'node:crypto'
import { every, processScheduler, type Scheduler } from '../../core/scheduler.ts'
import { noTelemetry, type Telemetry } from '../../telemetry/telemetry.ts'
import { databaseNow } from './database-clock.ts'
import type { Postgres } from './postgres.ts'

/** A process that serves the deployment, or did within a day. Times are the database's. */
export interface FleetNode {
  /** A UUID of this process alone. */
  readonly id: string
  /** For people: such as the machine's. */
  readonly name: string
  /** Of Modelward. */
  readonly version: string
  /** The newest version of the schema that it knows. */
  readonly schemaKnown: number
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  /** When it said last that it is there, milliseconds since the epoch. */
  readonly seenAt: number
  /** Whether that was within 10 s. */
  readonly isLive: boolean
}

/** The nodes of a fleet, of which this process is one. */
export interface FleetNodes {
  readonly id: string
  /** The one that started first comes first. @throws Fault `store_unavailable`, by rejecting */
  readonly listNodes: () => Promise<readonly FleetNode[]>
  /** Takes this process off the list. Where it cannot, it is not live 10 s later. */
  readonly end: () => Promise<void>
}

export interface JoinNodesOptions extends Pick<FleetNode, 'name' | 'version' | 'schemaKnown'> {
  readonly postgres: Pick<Postgres, 'query' | 'schema'>
  /** @default the process's own timers */
  readonly scheduler?: Scheduler | undefined
  /** @default none */
  readonly telemetry?: Telemetry | undefined
}

/** Milliseconds between two times that a node says that it is there. */
const beatMs = 1_000
/** Milliseconds that a node is live after it was seen. */
const liveMs = 10_000
/** Milliseconds after which a node that is gone is forgotten, and between two looks for such. */
const forgetMs = 86_400_000
const lookMs = 60_000
/** Nodes forgotten at once. */
const forgottenAtOnce = 1_000

/**
 * Puts this process on the list and says each second that it is there. Never rejects: what cannot
 * be said now is said later.
 */
export async function joinNodes(options: JoinNodesOptions): Promise<FleetNodes> {
  const { postgres, scheduler = processScheduler, telemetry = noTelemetry } = options
  const table = `${postgres.schema}.nodes`
  const id = randomUUID()
  let startedAt: number | null = null
  let isOut = false
  let isEnded = false
  let saying: Promise<void> | undefined

  /** A node that was frozen for a day comes back as the one that it was. */
  async function beat(): Promise<void> {
    const [row] = await postgres.query<{ readonly started_at: number }>(
      `INSERT INTO ${table} AS n (id, name, version, schema_known, started_at, seen_at)
        SELECT $1, $2, $3, $4, coalesce($5, at), at FROM (SELECT ${databaseNow} AS at) AS now
        ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at RETURNING n.started_at`,
      [id, options.name, options.version, options.schemaKnown, startedAt],
    )
    startedAt = row?.started_at ?? null
  }

  /** Nodes that look at once do not wait for each other. */
  async function forget(): Promise<void> {
    await postgres.query(
      `DELETE FROM ${table} WHERE id IN (
        SELECT id FROM ${table} WHERE seen_at < ${databaseNow} - ${forgetMs}
          ORDER BY id LIMIT ${forgottenAtOnce} FOR UPDATE SKIP LOCKED)`,
    )
  }

  async function say(what: () => Promise<void>): Promise<void> {
    try {
      await what()
      if (isOut) telemetry.event('node.seen', {})
      isOut = false
    } catch (fault) {
      if (!isOut) telemetry.event('node.not_seen', {}, fault)
      isOut = true
    }
  }

  function sayNext(what: () => Promise<void>): Promise<void> {
    saying ??= say(what).finally(() => {
      saying = undefined
    })
    return saying
  }

  await sayNext(beat)
  const stops = [
    every(scheduler, beatMs, () => void sayNext(beat)),
    every(scheduler, lookMs, () => void say(forget)),
  ]
  return {
    id,
    listNodes: () => listNodes(postgres, table),
    async end() {
      if (isEnded) return
      isEnded = true
      for (const stop of stops) stop()
      await saying
      await say(async () => void (await postgres.query(`DELETE FROM ${table} WHERE id = $1`, [id])))
    },
  }
}

async function listNodes({ query }: Pick<Postgres, 'query'>, table: string): Promise<readonly FleetNode[]> {
  return query<FleetNode>(
    `SELECT id, name, version, schema_known AS "schemaKnown", started_at AS "startedAt", seen_at AS "seenAt",
        seen_at > ${databaseNow} - ${liveMs} AS "isLive"
      FROM ${table} ORDER BY started_at, id`,
  )
}
