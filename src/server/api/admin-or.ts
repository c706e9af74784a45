import { adminScope } from '../../core/scope.ts'
import type { Demand } from '../../guard/demand.ts'

/**
 * What a route demands that administrators may use, by key or by a browser's session with the CSRF
 * header, and other keys with any one of these scopes.
 */
export function adminOr(...scopes: readonly string[]): Demand {
  return { anyScope: [adminScope, ...scopes], session: 'csrf', billable: false }
}
