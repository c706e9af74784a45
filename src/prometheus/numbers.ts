/** Numbers that grow by one as often as something new is counted: bounded by who adds. */
export interface Numbers {
  /** @returns the place of as many new ones, all 0 */
  readonly grow: (count: number) => number
  readonly add: (at: number, amount: number) => void
  readonly get: (at: number) => number
}

const firstCount = 64

export function createNumbers(): Numbers {
  let numbers = new Float64Array(firstCount)
  let used = 0
  return {
    grow(count) {
      const at = used
      used += count
      if (used > numbers.length) {
        const more = new Float64Array(2 * used)
        more.set(numbers)
        numbers = more
      }
      return at
    },
    add(at, amount) {
      // A place that `grow` gave out.
      numbers[at] = (numbers[at] as number) + amount
    },
    get: (at) => numbers[at] as number,
  }
}
