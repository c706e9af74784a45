/**
 * Deepest that a value may be nested: deeper ones, and those that hold themselves, are refused
 * before a writer meets them.
 */
const depthMax = 64

/**
 * Whether a value survives being written as JSON and read again: null, texts, booleans, finite
 * numbers, arrays and plain objects of such. A property that is undefined counts as absent. Dates,
 * maps, typed arrays and numbers that JSON lacks do not count: written, they turn into something
 * else in silence.
 */
export function isJsonValue(value: unknown, depth = 0): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return Number.isFinite(value)
    case 'object':
      return value === null || (depth < depthMax && isJsonStructure(value, depth + 1))
    default:
      return false
  }
}

function isJsonStructure(value: object, depth: number): boolean {
  // `every` would pass over the holes of a sparse array.
  if (Array.isArray(value)) return value.findIndex((item) => !isJsonValue(item, depth)) === -1
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  return Object.values(value).every((item) => item === undefined || isJsonValue(item, depth))
}
