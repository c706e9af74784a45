import type { OwnerKeysBound } from '../../keys/store/key-store.ts'

/** How many keys an owner has, of at most as many as a bound lets it have and one. */
export interface OwnerKeysCount {
  readonly stored: number
  /** Those of them that are not revoked. */
  readonly live: number
}

/** Whether so many more keys are too many. */
export function isFull(
  { liveMax, storedMax }: OwnerKeysBound,
  { stored, live }: OwnerKeysCount,
  added: number,
): boolean {
  return live + added > liveMax || stored + added > storedMax
}
