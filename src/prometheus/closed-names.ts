import { otherLabel } from './metric-value.ts'

/** The first names that come are themselves, all later ones `other`. */
export function createClosedNames(namesMax: number): (name: string) => string {
  const names = new Set<string>()
  return (name) => {
    if (names.has(name)) return name
    if (names.size >= namesMax) return otherLabel
    names.add(name)
    return name
  }
}
