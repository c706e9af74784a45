import type { Demand } from '../core/demand.ts'

/** Whether a route demands nothing beyond what its scheme does. Its own limits are each key's: they ask for one. */
export function asksNothing({ scope, check, anyKey, session, needs, limits, cost }: Demand): boolean {
  return [scope, check, anyKey, session, needs, limits, cost].every((part) => part === undefined)
}
