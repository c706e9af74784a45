import type { Demand } from '../core/demand.ts'

/** Whether a route demands nothing beyond what its scheme does. */
export function asksNothing({ scope, check, anyKey, session, needs }: Demand): boolean {
  return [scope, check, anyKey, session, needs].every((part) => part === undefined)
}
