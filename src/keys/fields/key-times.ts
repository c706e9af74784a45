import type { InputError } from '../../core/refusal.ts'
import { parseDuration, readTime, type TimeInput } from '../../core/time.ts'
import { withoutUndefined } from '../../core/without-undefined.ts'
import type { KeyRecord } from '../record/key-record.ts'

/** When a key works. Null: it works at once, and never ends. */
export interface KeyTimes {
  /** From when on it works. */
  readonly notBefore: TimeInput | null
  /** When it ends. */
  readonly expiresAt: TimeInput | null
}

/** The times that were given, as they are stored. A wrong one is left out, and is a fault. */
export interface ReadKeyTimes {
  readonly times: Partial<Pick<KeyRecord, keyof KeyTimes>>
  readonly errors: readonly InputError[]
}

/** Reads the times of a key. @param now milliseconds since the epoch: durations count from here */
export function readKeyTimes({ notBefore, expiresAt }: Partial<KeyTimes>, now: number): ReadKeyTimes {
  const errors: InputError[] = []
  function read(field: string, value: TimeInput | null | undefined): number | null | undefined {
    if (value === undefined || value === null) return value
    const ms = readTime(value, now)
    if (typeof ms === 'number') return ms
    errors.push({ loc: [field], msg: ms, type: 'time' })
    return undefined
  }
  const times = {
    notBefore: read('not_before', notBefore),
    expiresAt: isNoTime(expiresAt) ? undefined : read('expires_at', expiresAt),
  }
  if (isNoTime(expiresAt)) errors.push(pastError)
  return { times: withoutUndefined(times), errors }
}

/** A key that ends in `0s` was not meant, though a change may set a time that has passed. */
function isNoTime(value: TimeInput | null | undefined): boolean {
  return typeof value === 'string' && parseDuration(value) === 0
}

const pastError: InputError = { loc: ['expires_at'], msg: 'expected a time to come', type: 'time_past' }

/**
 * Every fault of the two times together.
 *
 * @param issuedAt when a new key is issued, milliseconds since the epoch: it must expire later
 */
export function keyTimeErrors(
  { notBefore, expiresAt }: Pick<KeyRecord, keyof KeyTimes>,
  issuedAt: number,
): readonly InputError[] {
  if (expiresAt !== null && expiresAt <= issuedAt) return [pastError]
  if (notBefore === null || expiresAt === null || notBefore < expiresAt) return []
  return [{ loc: ['expires_at'], msg: 'expected a time after not_before', type: 'time_order' }]
}
