/** JSON as a value that no caller can change. */
export function parseFrozen<T>(text: string): T {
  // Most keys have no metadata and no address list.
  if (text === '[]') return emptyArray as T
  if (text === '{}') return emptyObject as T
  return freezeDeep(JSON.parse(text)) as T
}

const emptyArray: readonly never[] = Object.freeze([])
const emptyObject: Readonly<Record<string, never>> = Object.freeze({})

function freezeDeep(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  for (const part of Object.values(value)) freezeDeep(part)
  return Object.freeze(value)
}
