import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { RequestHead } from '../../src/core/request-head.ts'
import type { Ward } from '../../src/ward/ward.ts'
import { turnOfEventLoop } from './measure-admit.ts'

/** What is in memory after so many distinct keys. */
export type HeapUse = readonly {
  readonly presented: number
  readonly bytes: number
  readonly cached: number
}[]

/** Presents distinct keys and looks at the heap when the cache is first full, and at the end. */
export async function measureHeap(
  ward: Ward,
  headOf: (number: number) => RequestHead,
  cachedMax: number,
  count: number,
): Promise<HeapUse> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const uses: HeapUse[number][] = []
  for (let number = 0; number < count; number += 1) {
    await ward.admit(headOf(number))
    const presented = number + 1
    if (presented % 1_000 === 0) await turnOfEventLoop()
    if (presented !== cachedMax && presented !== count) continue
    // What waits for a turn of the event loop is not counted.
    await turnOfEventLoop()
    collect()
    uses.push({ presented, bytes: process.memoryUsage().heapUsed, cached: ward.cachedKeys() })
  }
  return uses
}
