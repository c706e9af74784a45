import { modelScope, namedScopes } from '../../core/scope.ts'
import { suggest } from '../../core/suggest.ts'
import { findUnreachableLimits } from '../../limits/unreachable-limits.ts'

/** Something that is allowed and was probably not meant. */
export type KeyWarning =
  | { readonly code: 'scope_unknown'; readonly scope: string; readonly did_you_mean: string | null }
  | { readonly code: 'limit_unreachable'; readonly limit: string; readonly reached_first: string }

/** What a deployment asks for, beside what the server itself does. */
export interface AskedScopes {
  /**
   * Names of the models that are served; undefined where they are not known, and no scope of a
   * model is doubted.
   */
  readonly models?: readonly string[] | undefined
  /** Scopes that its rules ask for. @default none */
  readonly askedScopes?: readonly string[] | undefined
}

/**
 * What to tell of a key that was made or changed: scopes that no route and no rule of the
 * deployment asks for, and limits that can never be reached.
 */
export function warnOfKey(
  { scopes, limits }: { readonly scopes: readonly string[]; readonly limits: readonly string[] | null },
  { models, askedScopes = [] }: AskedScopes,
): readonly KeyWarning[] {
  const known = [...namedScopes, ...(models ?? []).map(modelScope), ...askedScopes]
  const isDoubted = (scope: string): boolean =>
    !known.includes(scope) && (models !== undefined || !scope.startsWith(modelScope('')))
  return [
    ...scopes
      .filter(isDoubted)
      .map(
        (scope) => ({ code: 'scope_unknown', scope, did_you_mean: suggest(scope, known) ?? null }) as const,
      ),
    ...warnOfLimits(limits ?? []),
  ]
}

/** What to tell of limits that were set. */
export function warnOfLimits(limits: readonly string[]): readonly KeyWarning[] {
  return findUnreachableLimits(limits).map((found) => ({ code: 'limit_unreachable', ...found }) as const)
}

/** A warning as a sentence. */
export function formatWarning(warning: KeyWarning): string {
  if (warning.code === 'limit_unreachable')
    return `No request reaches the limit ${warning.limit}: ${warning.reached_first} refuses first.`
  const meant = warning.did_you_mean === null ? '' : `; did you mean \`${warning.did_you_mean}\`?`
  return `No route of the server asks for the scope \`${warning.scope}\`${meant || '.'}`
}

/** Adds `warnings` to a view, unless they are empty. */
export function withWarnings<View extends object>(
  view: View,
  warnings: readonly KeyWarning[],
): View & { readonly warnings?: readonly KeyWarning[] } {
  return warnings.length === 0 ? view : { ...view, warnings }
}
