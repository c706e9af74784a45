import { Fault } from '../../../core/fault.ts'
import { openPostgres, type Postgres } from '../postgres.ts'
import type { StoreReport } from '../store-outage.ts'

/** A database that is connected to when it is first asked, and again after that failed. */
export interface LazyPostgres {
  /** @throws Fault `ledger_unavailable`, also after `close`; SetupError; by rejecting */
  readonly connect: () => Promise<Postgres>
  readonly close: () => Promise<void>
}

/** Nothing is opened here: a ledger may begin while its database is out. */
export function connectOnce(options: {
  readonly url: string
  readonly connectionsMax: number
  readonly queryTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly report?: StoreReport | undefined
}): LazyPostgres {
  let opening: Promise<Postgres> | undefined
  let isClosed = false
  return {
    async connect() {
      if (isClosed) throw new Fault('ledger_unavailable', 'ledger: it is closed')
      opening ??= openPostgres({ ...options, fault: 'ledger_unavailable' }).catch((error: unknown) => {
        opening = undefined
        throw error
      })
      return opening
    },
    async close() {
      isClosed = true
      const opened = await opening?.catch(() => undefined)
      await opened?.close()
    },
  }
}
