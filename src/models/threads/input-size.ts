import { jsonDepthMax } from '../json-value.ts'

/** What an input costs however small it is, in characters: shorter ones are all alike. */
const sizeMin = 64
/** Larger inputs are all alike, too, and no more of them is looked at. */
const sizeMax = 2 ** 20

/**
 * How large the inputs of a call are, in characters and values: what their time may depend on.
 */
export function sizeOf(inputs: readonly unknown[]): number {
  const walk = new SizeWalk()
  for (const input of inputs) walk.visit(input, 0)
  return sizeMin * inputs.length + walk.size
}

class SizeWalk {
  size = 0

  visit(value: unknown, depth: number): void {
    this.size += 1
    if (typeof value === 'string') this.size += value.length
    if (typeof value !== 'object' || value === null || depth === jsonDepthMax) return
    if (ArrayBuffer.isView(value)) this.size += value.byteLength
    else if (Array.isArray(value)) this.#visitAll(value, depth + 1)
    else this.#visitAll(Object.values(value), depth + 1)
  }

  #visitAll(values: readonly unknown[], depth: number): void {
    for (const value of values) {
      if (this.size >= sizeMax) return
      this.visit(value, depth)
    }
  }
}
