import type { Clock } from '../../core/time.ts'
import { type LedgerEntry, type LedgerRecord, ledgerEntry } from '../../ledger/format/record.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { findLeftCalls } from './find-left-calls.ts'

export interface EndLeftCallsOptions {
  readonly ledger: Pick<Ledger, 'append' | 'query' | 'withLeft'>
  readonly clock: Clock
  /** The longest that a call may take, in milliseconds. */
  readonly totalMs: number
  /** Frees what a node that is gone had reserved. @default there are no nodes */
  readonly releaseLeft?: ((node: string) => Promise<void>) | undefined
}

/** An end is recorded within it, behind the last that a call may take, in milliseconds. */
const marginMs = 60_000
/** Ends that wait at once: fewer than the ledger holds. */
const endsAtOnce = 10_000

/**
 * Ends the calls whose answers were on their way when their process died: each has a record that it
 * began, and gets the one that it has finished, `late` and with what it had reserved, which its
 * limits have kept. Once over, it finds nothing to do; killed meanwhile, the next goes on. Gives
 * how many there were.
 *
 * @throws Fault `ledger_unavailable`, by rejecting
 */
export async function endLeftCalls(options: EndLeftCallsOptions): Promise<number> {
  const { ledger, clock, totalMs, releaseLeft } = options
  let count = 0
  await ledger.withLeft?.(async (left) => {
    const nodes = new Set(left.streams.flatMap(({ node }) => node ?? []))
    for (const node of nodes) await releaseLeft?.(node)
    const calls = await findLeftCalls(ledger, left, totalMs + marginMs)
    for (let from = 0; from < calls.length; from += endsAtOnce) {
      const at = clock()
      const some = calls.slice(from, from + endsAtOnce)
      const written = await Promise.allSettled(some.map((start) => ledger.append(endOf(start, at))))
      const failed = written.find(({ status }) => status === 'rejected')
      // Only now: what is still being written must not be written again by another process.
      if (failed?.status === 'rejected') throw failed.reason
    }
    count = calls.length
  })
  return count
}

/**
 * What its upstream would have said is not known, nor how much has left: all is charged. How the
 * reservation divides is not recorded.
 */
function endOf(start: LedgerRecord, at: number): LedgerEntry {
  const { requestId, clientRequestId, keyId, owner, method, route, status, address } = start
  const { reserved = 0, ...known } = start.detail ?? {}
  return ledgerEntry({
    at,
    event: 'request.finished',
    ...{ requestId, clientRequestId, keyId, owner, method, route, status, address },
    measures: { requests: 1, tokens: Number(reserved) },
    detail: { ...known, usage: 'reserved', late: true },
  })
}
