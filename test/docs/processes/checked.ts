// Imported by the module of a guide: `check` checks a result that the page states, `finish` prints
// how many were checked.
import assert from 'node:assert/strict'
import process from 'node:process'

let checked = 0

/**
 * Fails if a result is not the one that the page states. With `isPartial` the result may have
 * members that the page leaves out.
 */
export function check(actual: unknown, stated: unknown, isPartial: boolean, where: string): void {
  try {
    if (isPartial) assert.partialDeepStrictEqual(actual, stated)
    else assert.deepEqual(actual, stated)
  } catch (error) {
    throw new Error(`${where} states another result`, { cause: error })
  }
  checked += 1
}

/** Prints how many results were checked, and ends the process, even if servers are still open. */
export function finish(): void {
  process.stdout.write(`checked ${checked}\n`, () => process.exit(0))
}
