import type { Demand } from '../core/demand.ts'

/** What a demand and those it needs ask for together. */
export function allScopes({ needs = [], scope = [] }: Demand): readonly string[] {
  return [...needs.flatMap(allScopes), ...(typeof scope === 'string' ? [scope] : scope)]
}
