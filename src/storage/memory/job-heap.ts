/** Things in an order: the first is at hand, and each can be taken out wherever it stands. What the order is by must not change while it is in. */
export interface JobHeap<T> {
  readonly size: () => number
  readonly first: () => T | undefined
  /** O(log n). */
  readonly add: (item: T) => void
  /** O(log n); false where it is not in. */
  readonly remove: (item: T) => boolean
}

/** A binary heap that knows where each of its items stands. */
export function createJobHeap<T>(isBefore: (one: T, other: T) => boolean): JobHeap<T> {
  const items: T[] = []
  const places = new Map<T, number>()

  function put(item: T, place: number): void {
    items[place] = item
    places.set(item, place)
  }

  function rise(item: T, from: number): void {
    let place = from
    while (place > 0) {
      const parent = items[(place - 1) >> 1] as T
      if (!isBefore(item, parent)) break
      put(parent, place)
      place = (place - 1) >> 1
    }
    put(item, place)
  }

  function sink(item: T, from: number): void {
    let place = from
    for (;;) {
      const left = 2 * place + 1
      if (left >= items.length) break
      const right = left + 1
      const isRight = right < items.length && isBefore(items[right] as T, items[left] as T)
      const least = isRight ? right : left
      if (!isBefore(items[least] as T, item)) break
      put(items[least] as T, place)
      place = least
    }
    put(item, place)
  }

  return {
    size: () => items.length,
    first: () => items[0],
    add: (item) => rise(item, items.length),
    remove(item) {
      const place = places.get(item)
      if (place === undefined) return false
      places.delete(item)
      const last = items.pop() as T
      if (last === item) return true
      const parent = items[(place - 1) >> 1]
      if (place > 0 && isBefore(last, parent as T)) rise(last, place)
      else sink(last, place)
      return true
    },
  }
}
