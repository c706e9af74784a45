import { Fault } from '../../../core/fault.ts'
import { processScheduler, type Scheduler } from '../../../core/scheduler.ts'
import type { JobChange } from '../../../jobs/job-queue.ts'
import { createJobWatch } from '../../../jobs/job-watch.ts'
import type { RowMacs } from '../../../secrets/row-macs.ts'
import type { Telemetry } from '../../../telemetry/telemetry.ts'
import type { JobStore } from '../../job-store.ts'
import type { Postgres } from '../postgres.ts'
import { createAnswerCalls } from './answer-calls.ts'
import { createChangeQueue } from './change-queue.ts'
import { createJobClaims } from './claims/job-claims.ts'
import { createKnownLeases } from './claims/known-leases.ts'
import { changeOf, readHint } from './hints/hint-channel.ts'
import { createHintListener } from './hints/hint-listener.ts'
import { createHintSender } from './hints/hint-sender.ts'
import { createAttemptCalls } from './job-ends.ts'
import { createJobLookup } from './job-lookup.ts'
import { createOwnerCalls } from './job-owner-calls.ts'
import type { JobParts } from './job-parts.ts'
import { createJobReads } from './job-reads.ts'
import { createSubmitCalls } from './submit-queue.ts'
import { createOwnerTurns } from './turns/owner-turns.ts'
import { createOutboxCalls } from './webhooks/outbox-calls.ts'

export interface PostgresJobStoreOptions {
  /** Not closed with the store. */
  readonly postgres: Postgres
  /** Under the peppers of the deployment: no row is believed that has another. */
  readonly macs: RowMacs
  /** Of the same database: hints come over a connection of their own. */
  readonly url: string
  /** Names this process among the nodes of the deployment. */
  readonly node: string
  readonly telemetry?: Telemetry | undefined
  /** @default the process's own timers */
  readonly scheduler?: Scheduler
}

/**
 * Jobs in PostgreSQL, which any number of nodes use at once. A change resolves once it is
 * committed; changes that arrive meanwhile share the next commit. Every call rejects with
 * `store_unavailable` while the database is out, and after `close`.
 */
export async function openPostgresJobStore(options: PostgresJobStoreOptions): Promise<JobStore> {
  const { postgres, macs, url, node, telemetry, scheduler = processScheduler } = options
  const watching = createJobWatch()
  const hints = createHintSender(postgres, node, scheduler)
  const listener = await createHintListener({
    ...{ postgres, url, scheduler, telemetry },
    onHint(payload) {
      const hint = payload === undefined ? { node: '', isDue: true } : readHint(payload)
      if (hint !== undefined && hint.node !== node) watching.notify(changeOf(hint))
    },
  })
  function notify(change: JobChange): void {
    watching.notify(change)
    hints.note(change)
  }
  const lookup = createJobLookup({ postgres, macs })
  const turns = createOwnerTurns(postgres.name)
  const known = createKnownLeases()
  const parts: JobParts = { postgres, macs, turns, scheduler, notify, known, find: lookup.find }
  const changes = createChangeQueue(parts)
  const { settled, ...submitCalls } = createSubmitCalls(parts)
  let isOpen = true
  const calls = {
    ...submitCalls,
    claim: createJobClaims(parts, changes),
    ...createAttemptCalls(parts, changes),
    ...createOwnerCalls(parts, changes),
    ...createJobReads(parts),
    ...createAnswerCalls(parts),
    ...createOutboxCalls(parts),
    async forgetExpired(now: number, max: number) {
      const [row] = await postgres.query<{ readonly count: number }>(
        `SELECT ${postgres.schema}.forget_expired($1::bigint, $2::int) AS count`,
        [now, max],
      )
      return row?.count ?? 0
    },
  }
  return {
    ...whileOpen(calls, () => isOpen, postgres.name),
    watch(watcher) {
      const stop = watching.watch(watcher)
      listener.start()
      return () => {
        stop()
        if (!watching.isWatched()) listener.stop()
      }
    },
    async close() {
      isOpen = false
      listener.stop()
      await Promise.all([settled(), changes.settled(), lookup.settled()])
      await hints.close()
    },
  }
}

type Calls = { readonly [name: string]: (...values: never[]) => Promise<unknown> }

/** The calls, each of which rejects once the store is closed. */
function whileOpen<Of extends { readonly [Name in keyof Of]: (...values: never[]) => Promise<unknown> }>(
  calls: Of,
  isOpen: () => boolean,
  name: string,
): Of {
  // Every member of `Of` is a call, as its bound says; an interface has no index by name.
  const checked = Object.entries(calls as unknown as Calls).map(([call, run]) => [
    call,
    async (...values: never[]) => {
      if (!isOpen()) throw new Fault('store_unavailable', `${name}: the job store is closed`)
      return run(...values)
    },
  ])
  return Object.fromEntries(checked) as Of
}
