import { Refusal } from '../../../core/refusal.ts'
import { adminScope } from '../../../core/scope.ts'
import type { Demand } from '../../../guard/demand.ts'

/**
 * What a route demands that administrators may use, by key or by a browser's session with the CSRF header, and other keys with one scope.
 * A check, because the scopes of a demand must all be held, and an admin key has no second one.
 */
export function adminOrScope(scope: string): Demand {
  return {
    anyKey: true,
    session: 'csrf',
    check({ scopes }) {
      if (!scopes.includes(adminScope) && !scopes.includes(scope))
        throw new Refusal('scope_missing', `This API key lacks the scope \`${scope}\`.`)
    },
  }
}
