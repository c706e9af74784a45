import type { KeyObject } from 'node:crypto'
import { type InputError, Refusal } from '../../core/refusal.ts'
import { type Clock, readTimeAgo, type TimeInput } from '../../core/time.ts'
import type { LedgerPage, LedgerQuery, LedgerReader, UsageQuery, UsageRow } from '../ledger.ts'
import { createOwnerPositions, type OwnerPositions } from './owner-positions.ts'

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
  /**
   * Hides positions from an owner who reads its own records: real ones, and the number `seq`, tell
   * how much others write. Show an owner neither; `show` gives the `after` of its next page.
   */
  readonly positionsOf: (owner: string) => OwnerPositions
}

interface WardLedgerOptions {
  readonly clock: Clock
  /** Hides positions from owners: see `createOwnerPositions`. */
  readonly positionKey: KeyObject
}

/** A ledger whose queries take times as the rest of the library does. */
export function createWardLedger(
  ledger: LedgerReader,
  { clock, positionKey }: WardLedgerOptions,
): WardLedger {
  return {
    query: async (query) => ledger.query({ ...query, ...readBounds(query, clock()) }),
    usage: async (query) => ledger.usage({ ...query, ...readBounds(query, clock()) }),
    positionsOf: createOwnerPositions(positionKey),
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
