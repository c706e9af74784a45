/** What stands for every name beyond a bound. */
export const otherName = 'other'

/** The first names that come are themselves, all later ones `other`. */
export function createClosedNames(namesMax: number): (name: string) => string {
  const names = new Set<string>()
  return (name) => {
    if (names.has(name)) return name
    if (names.size >= namesMax) return otherName
    names.add(name)
    return name
  }
}
