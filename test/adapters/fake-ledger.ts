import type { LedgerEntry } from '../../src/ledger/format/record.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'

/** A ledger that can be held, so that nothing is durable until it is released, or fail. */
export interface FakeLedger extends Ledger {
  readonly entries: LedgerEntry[]
  /** What `append` rejects with, until it is undefined again. */
  fault: Error | undefined
  /** From now on nothing is durable until `release`. */
  readonly hold: () => void
  readonly release: () => void
  /**
   * Resolves once an entry is waiting, or has been written, beyond those that were taken note of by
   * the last call.
   */
  readonly appended: () => Promise<void>
}

export function createFakeLedger(): FakeLedger {
  let gate: PromiseWithResolvers<void> | undefined
  let wake = Promise.withResolvers<void>()
  const ledger: FakeLedger = {
    entries: [],
    fault: undefined,
    hold() {
      gate = Promise.withResolvers()
    },
    release() {
      gate?.resolve()
      gate = undefined
    },
    async appended() {
      await wake.promise
      wake = Promise.withResolvers()
    },
    async append(entry) {
      wake.resolve()
      await gate?.promise
      if (ledger.fault !== undefined) throw ledger.fault
      ledger.entries.push(entry)
    },
    async checkpoint() {
      if (ledger.fault !== undefined) throw ledger.fault
      return {} as never
    },
    query: async () => ({ records: [], next: undefined }),
    usage: async () => [],
    close: async () => {},
  }
  return ledger
}
