import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import {
  createInProcessLimiter,
  type InProcessLimiter,
} from '../../src/limits/in-process/in-process-limiter.ts'
import { openSqliteUsageStore } from '../../src/storage/sqlite/limits/usage-store.ts'
import type { OperationalEvent } from '../../src/telemetry/telemetry.ts'
import { collectEvents } from '../support/collect-events.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

/** A machine's two clocks, in milliseconds: how long it has run, and what its wall clock shows. */
export interface MachineTime {
  steady: number
  wall: number
}

/** A process that counts, and stores its usage in a folder. */
export interface PersistentLimiter {
  readonly limiter: InProcessLimiter
  readonly folder: string
  readonly events: readonly OperationalEvent[]
  /** Ends it in order. */
  readonly stop: () => Promise<void>
  /** Ends it as `kill -9` would: gives a folder with the files as they are at this moment. */
  readonly crash: () => string
}

/** Starts a process in a folder. Its own monotonic clock begins at 0, as in any process. */
export function startPersistentLimiter(folder: string, time: MachineTime): PersistentLimiter {
  const startedAt = time.steady
  const { telemetry, events } = collectEvents()
  const store = openSqliteUsageStore({ file: join(folder, 'limits.db'), clock: () => time.wall })
  const limiter = createInProcessLimiter({
    store,
    clock: () => time.wall,
    monotonic: () => time.steady - startedAt,
    telemetry,
  })
  onTestFinished(() => store.close())
  return {
    limiter,
    folder,
    events,
    stop: () => limiter.close(),
    crash() {
      const left = createTemporaryFolder()
      for (const name of ['limits.db', 'limits.db-wal']) copyFileSync(join(folder, name), join(left, name))
      store.close()
      return left
    },
  }
}
