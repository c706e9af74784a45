/**
 * A map of bounded size for keys that strangers can invent, such as addresses: it holds the last
 * ones looked at, in two generations, and forgets the older when the younger is full.
 */
export interface Generations<V> {
  /** The value of a key, created where it is not there or was forgotten. */
  readonly get: (key: string, create: () => V) => V
  readonly size: () => number
}

/** @param max most keys of both generations together */
export function createGenerations<V>(max: number, onForget?: (value: V) => void): Generations<V> {
  let young = new Map<string, V>()
  let old = new Map<string, V>()

  function forgetOld(): void {
    if (onForget !== undefined) for (const value of old.values()) onForget(value)
    old = young
    young = new Map()
  }

  return {
    get(key, create) {
      const current = young.get(key)
      if (current !== undefined) return current
      const value = old.get(key) ?? create()
      old.delete(key)
      if (young.size >= max / 2) forgetOld()
      young.set(key, value)
      return value
    },
    size: () => young.size + old.size,
  }
}
