import type { Scheduler } from '../../../core/scheduler.ts'
import type { JobChange } from '../../../jobs/job-queue.ts'
import type { RowMacs } from '../../../secrets/row-macs.ts'
import type { Postgres } from '../postgres.ts'
import type { KnownLeases } from './claims/known-leases.ts'
import type { StoredJob } from './job-row.ts'
import type { OwnerTurns } from './turns/owner-turns.ts'

/** What the calls of a store share. */
export interface JobParts {
  readonly postgres: Postgres
  /** Of the rows that nodes write. */
  readonly macs: RowMacs
  readonly turns: OwnerTurns
  readonly scheduler: Pick<Scheduler, 'yieldTurn'>
  /** Passes on what has been committed: to the watchers of this store, and to other nodes. */
  readonly notify: (change: JobChange) => void
  readonly known: KnownLeases
  /** A job as it stands. Rejects with a `DamagedRow` where no node wrote it so. */
  readonly find: (id: string) => Promise<StoredJob | undefined>
}
