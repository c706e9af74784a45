import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { LedgerEntry } from '../format/record.ts'

/** Refusals of one sender with one code within a minute, above which they are a flood. */
const floodLeast = 100
/** Floods that are told of each minute, the largest first; the ledger has the others. */
const toldMax = 3

/** Refusals of a minute: who was refused, with what, how often. */
export interface RefusalCount {
  readonly named: Pick<LedgerEntry, 'address' | 'keyId'>
  readonly code: string
  readonly requests: number
}

/** Tells an operator of the floods of a minute that is over, as `refusals.flood`. */
export function reportFloods(counts: Iterable<RefusalCount>, telemetry: Telemetry): void {
  const floods = [...counts].filter(({ requests }) => requests >= floodLeast)
  for (const flood of floods.toSorted((one, other) => other.requests - one.requests).slice(0, toldMax)) {
    const { named, code, requests: count } = flood
    telemetry.event('refusals.flood', { address: named.address, key_id: named.keyId, code, count })
  }
}
