/** Whose it is; those without an owner are one owner's. */
export interface OfOwner {
  readonly owner?: string | undefined
}

/**
 * Items that wait by turns of their owners: one of each owner, then the next of each, those of one
 * owner in the order in which they came. So one that has n of its own before it waits for no more
 * than n + 1 of any other owner, however many of those there are.
 */
export class Turns<Item extends OfOwner> implements Iterable<Item> {
  /** Never empty ones; whose turn it is comes first. */
  readonly #byOwner = new Map<string | undefined, Set<Item>>()

  get isEmpty(): boolean {
    return this.#byOwner.size === 0
  }

  /** Whose turn it is. */
  get first(): Item | undefined {
    return this.#byOwner.values().next().value?.values().next().value
  }

  add(item: Item): void {
    const own = this.#byOwner.get(item.owner)
    if (own === undefined) this.#byOwner.set(item.owner, new Set([item]))
    else own.add(item)
  }

  /** Leaves without a turn; whether it was there. */
  delete(item: Item): boolean {
    const own = this.#byOwner.get(item.owner)
    if (!own?.delete(item)) return false
    if (own.size === 0) this.#byOwner.delete(item.owner)
    return true
  }

  /** Has its owner's turn; whether it was there. */
  take(item: Item): boolean {
    if (!this.delete(item)) return false
    const own = this.#byOwner.get(item.owner)
    if (own === undefined) return true
    this.#byOwner.delete(item.owner)
    this.#byOwner.set(item.owner, own)
    return true
  }

  /** An owner's, in the order in which they came. */
  of(owner: string | undefined): readonly Item[] {
    return [...(this.#byOwner.get(owner) ?? [])]
  }

  /** In the order of their turns. Any may be deleted meanwhile, and none taken. */
  *[Symbol.iterator](): Generator<Item, void> {
    let round: Iterable<Iterator<Item, undefined>> = iteratorsOf(this.#byOwner.values())
    for (;;) {
      const next: Iterator<Item, undefined>[] = []
      for (const items of round) {
        const { done, value } = items.next()
        if (done) continue
        yield value
        next.push(items)
      }
      if (next.length === 0) return
      round = next
    }
  }
}

/** One by one: most who ask want a few. */
function* iteratorsOf<Item>(sets: Iterable<Set<Item>>): Generator<Iterator<Item, undefined>, void> {
  for (const items of sets) yield items.values()
}
