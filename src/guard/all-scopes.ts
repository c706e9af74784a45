import type { Demand } from './demand.ts'

/** What a demand and those it needs ask for together. */
export function allScopes({ needs = [], scope = [] }: Demand): readonly string[] {
  return [...needs.flatMap(allScopes), ...(typeof scope === 'string' ? [scope] : scope)]
}

/** The lists of a demand and those it needs, of each of which one scope must be held. */
export function anyScopes({ needs = [], anyScope }: Demand): readonly (readonly string[])[] {
  return [...needs.flatMap(anyScopes), ...(anyScope === undefined ? [] : [anyScope])]
}

/** Each set of scopes that will do, by itself. */
export function scopeChoices(demand: Demand): readonly (readonly string[])[] {
  return anyScopes(demand).reduce<readonly (readonly string[])[]>(
    (choices, anyOf) => choices.flatMap((scopes) => anyOf.map((scope) => [...scopes, scope])),
    [allScopes(demand)],
  )
}
