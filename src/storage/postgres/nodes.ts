import { randomUUID } from 'node:crypto'
import { every, processScheduler, type Scheduler } from '../../core/scheduler.ts'
import { createOutageReport } from '../../telemetry/outage-report.ts'
import { noTelemetry, type Telemetry } from '../../telemetry/telemetry.ts'
import type { FleetNode } from '../storage.ts'
import { databaseNow } from './database-clock.ts'
import type { Postgres } from './postgres.ts'

/** The nodes of a fleet, of which this process is one. */
export interface FleetNodes {
  readonly id: string
  /**
   * Live ones first, each part in the order of their starts.
   *
   * @throws Fault `store_unavailable`, by rejecting
   */
  readonly list: () => Promise<readonly FleetNode[]>
  /** How many are live, itself among them, as of its last beat; 1 at least. */
  readonly liveCount: () => number
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
  let others = 0
  const outage = createOutageReport('node.not_seen', telemetry, { scheduler })
  let isEnded = false
  let beating: Promise<void> | undefined

  /** A node that was frozen for a day comes back as the one that it was. */
  async function beat(): Promise<void> {
    const [row] = await postgres.query<{ readonly started_at: number; readonly others: number }>(
      `INSERT INTO ${table} AS n (id, name, version, schema_known, started_at, seen_at)
        SELECT $1, $2, $3, $4, coalesce($5, at), at FROM (SELECT ${databaseNow} AS at) AS now
        ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
        RETURNING n.started_at, (SELECT count(*) FROM ${table} AS other
          WHERE other.id <> n.id AND other.seen_at > n.seen_at - ${liveMs}) AS others`,
      [id, options.name, options.version, options.schemaKnown, startedAt],
    )
    startedAt = row?.started_at ?? null
    others = row?.others ?? others
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
      outage.passed()
    } catch (fault) {
      outage.failed(fault)
    }
  }

  function beatOnce(): Promise<void> {
    beating ??= say(beat).finally(() => {
      beating = undefined
    })
    return beating
  }

  await beatOnce()
  const stops = [
    every(scheduler, beatMs, () => void beatOnce()),
    // What fails is tried again a minute later; that the database is out, a beat says.
    every(scheduler, lookMs, () => void forget().catch(() => {})),
  ]
  return {
    id,
    list: () => listNodes(postgres),
    liveCount: () => 1 + others,
    async end() {
      if (isEnded) return
      isEnded = true
      for (const stop of stops) stop()
      await beating
      await say(async () => void (await postgres.query(`DELETE FROM ${table} WHERE id = $1`, [id])))
      outage.stop()
    },
  }
}

/**
 * All nodes: live ones first, each part in the order of their starts. Rejects with
 * `store_unavailable`.
 */
export async function listNodes({
  query,
  schema,
}: Pick<Postgres, 'query' | 'schema'>): Promise<readonly FleetNode[]> {
  return query<FleetNode>(
    `SELECT id, name, version, schema_known AS "schemaKnown", started_at AS "startedAt", seen_at AS "seenAt",
        seen_at > ${databaseNow} - ${liveMs} AS "isLive"
      FROM ${schema}.nodes ORDER BY "isLive" DESC, started_at, id`,
  )
}
