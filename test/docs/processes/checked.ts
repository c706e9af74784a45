// What the module of a guide imports: `check` holds a result that the page states, `finish` tells how many were held.
import assert from 'node:assert/strict'
import process from 'node:process'

let checked = 0

/** Fails where a result is not the one that the page states; with `isPartial` it may have members that the page leaves out. */
export function check(actual: unknown, stated: unknown, isPartial: boolean, where: string): void {
  try {
    if (isPartial) assert.partialDeepStrictEqual(actual, stated)
    else assert.deepEqual(actual, stated)
  } catch (error) {
    throw new Error(`${where} states another result`, { cause: error })
  }
  checked += 1
}

/** Ends the process, whatever servers the page has left open, and tells how many results were held. */
export function finish(): void {
  process.stdout.write(`checked ${checked}\n`, () => process.exit(0))
}
