import { Fault } from '../core/fault.ts'
import type { Ledger } from '../ledger/ledger.ts'

/** Opens the ledger at the first call, and again after an opening that failed. */
export function createLazyLedger(open: () => Promise<Ledger>): Ledger {
  let opening: Promise<Ledger> | undefined
  let isClosed = false
  const opened = (): Promise<Ledger> => {
    if (isClosed) return Promise.reject(new Fault('ledger_unavailable', 'ledger: it is closed'))
    if (opening !== undefined) return opening
    opening = open()
    opening.catch(() => {
      opening = undefined
    })
    return opening
  }
  return {
    append: async (entry) => (await opened()).append(entry),
    checkpoint: async () => (await opened()).checkpoint(),
    query: async (query) => (await opened()).query(query),
    usage: async (query) => (await opened()).usage(query),
    async close() {
      isClosed = true
      await (await opening?.catch(() => undefined))?.close()
    },
  }
}
