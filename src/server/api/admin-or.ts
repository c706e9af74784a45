import { Refusal } from '../../core/refusal.ts'
import { adminScope } from '../../core/scope.ts'
import type { Demand } from '../../guard/demand.ts'

/**
 * What a route demands that administrators may use, by key or by a browser's session with the CSRF
 * header, and other keys with any one of these scopes. A check, because the scopes of a demand must
 * all be held, and an admin key has no second one.
 */
export function adminOr(...scopes: readonly string[]): Demand {
  const named = scopes.map((scope) => `\`${scope}\``).join(' or ')
  return {
    anyKey: true,
    session: 'csrf',
    billable: false,
    check(caller) {
      const mayPass = caller.scopes.some((scope) => scope === adminScope || scopes.includes(scope))
      if (!mayPass) throw new Refusal('scope_missing', `This API key lacks the scope ${named}.`)
    },
  }
}
