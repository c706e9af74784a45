/**
 * Deepest that a value may be nested: deeper ones, and those that hold themselves, are refused
 * before a writer meets them.
 */
export const jsonDepthMax = 64

/**
 * Whether a value survives being written as JSON and read again: null, texts, booleans, finite
 * numbers, arrays and plain objects of such. A property that is undefined counts as absent. Dates,
 * maps, typed arrays and numbers that JSON lacks do not count: written, they turn into something
 * else in silence.
 */
export function isJsonValue(value: unknown): boolean {
  return new JsonWalk(atMost, Number.POSITIVE_INFINITY).visit(value, 0)
}

export type JsonFit = 'fits' | 'too large' | 'not JSON'

/**
 * Whether these values are JSON values and take at most so many bytes of JSON together, commas
 * between them included. Nothing is written for it but single texts and numbers, and no more is
 * looked at than fits: values of any size are refused in the time that `bytesMax` bytes take.
 */
export function fitOf(values: readonly unknown[], bytesMax: number): JsonFit {
  const fit = walkAll(values, new JsonWalk(atMost, bytesMax))
  return fit === 'too large' ? walkAll(values, new JsonWalk(exact, bytesMax)) : fit
}

function walkAll(values: readonly unknown[], walk: JsonWalk): JsonFit {
  for (let at = 0; at < values.length; at += 1)
    if (!walk.visit(values[at], 0) || !walk.take(1)) return walk.isFull ? 'too large' : 'not JSON'
  return 'fits'
}

/** How many bytes texts and numbers take, of which the length is not known at once. */
interface JsonSizes {
  readonly text: (text: string) => number
  readonly number: (number: number) => number
}

/**
 * Never too few, and at no cost: a unit of UTF-16 takes `\\u0000` at most, a number
 * `-0.0000012345678901234567`.
 */
const atMost: JsonSizes = { text: (text) => 6 * text.length + 2, number: () => 25 }

/** Costs about as much as to write the value; for what may not fit. */
const exact: JsonSizes = {
  text: (text) => Buffer.byteLength(JSON.stringify(text)),
  number: (number) => String(number).length,
}

/** Looks at a value part by part, as long as there is room for it. */
class JsonWalk {
  readonly #sizes: JsonSizes
  #room: number

  constructor(sizes: JsonSizes, bytesMax: number) {
    this.#sizes = sizes
    // After the last value there is no comma.
    this.#room = bytesMax + 1
  }

  get isFull(): boolean {
    return this.#room < 0
  }

  /** Whether there is room for so many bytes more. */
  take(bytes: number): boolean {
    this.#room -= bytes
    return this.#room >= 0
  }

  /** False for what is no JSON value, and for what has no room. */
  visit(value: unknown, depth: number): boolean {
    switch (typeof value) {
      case 'string':
        return this.#takeText(value)
      case 'boolean':
        return this.take(value ? 4 : 5)
      case 'number':
        return Number.isFinite(value) && this.take(this.#sizes.number(value))
      case 'object':
        if (value === null) return this.take(4)
        if (depth === jsonDepthMax) return false
        return Array.isArray(value) ? this.#visitArray(value, depth + 1) : this.#visitObject(value, depth + 1)
      default:
        return false
    }
  }

  /** A text that is too long as it is, is not written for its size. */
  #takeText(text: string): boolean {
    return this.take(text.length + 2) && this.take(this.#sizes.text(text) - text.length - 2)
  }

  #visitArray(items: readonly unknown[], depth: number): boolean {
    if (!this.take(2 + Math.max(0, items.length - 1))) return false
    // `every` would pass over the holes of a sparse array.
    for (let at = 0; at < items.length; at += 1) if (!this.visit(items[at], depth)) return false
    return true
  }

  #visitObject(value: object, depth: number): boolean {
    const prototype: unknown = Object.getPrototypeOf(value)
    if ((prototype !== Object.prototype && prototype !== null) || !this.take(2)) return false
    let commaBytes = 0
    for (const [name, item] of Object.entries(value)) {
      if (item === undefined) continue
      if (!this.take(commaBytes + 1) || !this.#takeText(name) || !this.visit(item, depth)) return false
      commaBytes = 1
    }
    return true
  }
}
