import type { Demand } from './demand.ts'

/** Whether a route demands nothing beyond what its scheme does. Its own limits are each key's: they ask for one. */
export function asksNothing({
  scope,
  anyScope,
  check,
  anyKey,
  session,
  needs,
  limits,
  cost,
}: Demand): boolean {
  return [scope, anyScope, check, anyKey, session, needs, limits, cost].every((part) => part === undefined)
}
