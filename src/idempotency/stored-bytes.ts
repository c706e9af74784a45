import { Fault } from '../core/fault.ts'
import { Refusal } from '../core/refusal.ts'

/** Most bytes that jobs, their results and webhooks, and stored answers take up. */
export interface StoredBytesBounds {
  readonly bytesMax: number
  /** Of one owner. */
  readonly ownerBytesMax: number
}

/** Which of the two is reached. */
export type StoredBytesFull = 'bytes_full' | 'owner_bytes_full'

/** Expired jobs are deleted once a minute: no room comes sooner by itself. */
const headers = { 'retry-after': '60' }

/**
 * Why nothing more is accepted. The owner's own bound is theirs to make room under, so they are
 * told of it; that of all owners is the operator's.
 */
export function storedBytesError(full: StoredBytesFull, bounds: StoredBytesBounds): Fault | Refusal {
  if (full === 'bytes_full')
    return new Fault(
      'overloaded',
      `jobs and stored answers take up the ${bounds.bytesMax} bytes that they may`,
    )
  const says = `The jobs, results and stored answers of this owner take up the ${bounds.ownerBytesMax} bytes that they may`
  return new Refusal('storage_exhausted', `${says}: cancel jobs that wait, or wait until results expire.`, {
    headers,
  })
}
