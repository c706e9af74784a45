import { type InputError, Refusal } from '../../core/refusal.ts'
import { type Clock, readTimeAgo, type TimeInput } from '../../core/time.ts'
import type { LedgerPage, LedgerQuery, LedgerReader, UsageQuery, UsageRow } from '../ledger.ts'

/** Bounds of a query in any form that the library takes; a duration, `24h`, ends now. */
export interface TimeBounds {
  /** From this moment on. */
  readonly since?: TimeInput | undefined
  /** Before this moment. */
  readonly until?: TimeInput | undefined
}

/**
 * Records and usage as an app reads them. Every method rejects with the fault
 * `ledger_unavailable`, and refuses what it cannot read as a time with `input_invalid`.
 */
export interface WardLedger extends Pick<LedgerReader, 'close'> {
  readonly query: (query: Omit<LedgerQuery, keyof TimeBounds> & TimeBounds) => Promise<LedgerPage>
  readonly usage: (query: Omit<UsageQuery, keyof TimeBounds> & TimeBounds) => Promise<readonly UsageRow[]>
}

/** A ledger whose queries take times as the rest of the library does. */
export function createWardLedger(ledger: LedgerReader, clock: Clock): WardLedger {
  return {
    query: async (query) => ledger.query({ ...query, ...readBounds(query, clock()) }),
    usage: async (query) => ledger.usage({ ...query, ...readBounds(query, clock()) }),
    close: () => ledger.close(),
  }
}

/** @throws Refusal `input_invalid` with every fault */
function readBounds(
  bounds: TimeBounds,
  now: number,
): { readonly since: number | undefined; readonly until: number | undefined } {
  const errors: InputError[] = []
  function read(name: keyof TimeBounds): number | undefined {
    const value = bounds[name]
    if (value === undefined) return undefined
    const time = readTimeAgo(value, now)
    if (typeof time === 'number') return time
    errors.push({ loc: ['query', name], msg: time, type: 'time' })
    return undefined
  }
  const times = { since: read('since'), until: read('until') }
  if (errors.length > 0) throw new Refusal('input_invalid', undefined, { errors })
  return times
}
