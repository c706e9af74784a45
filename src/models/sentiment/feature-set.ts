/** Set in a feature whose value is −1 rather than +1. Above every bucket number. */
export const negativeBit = 0x80000000

/**
 * The distinct features of one text: bucket numbers, `negativeBit` set where the value is −1, in
 * the order of first appearance. One set is reused from text to text, so that answering allocates
 * nothing here.
 */
export class FeatureSet {
  /** Valid up to `count`; overwritten by the next text. */
  items: Uint32Array = new Uint32Array(1024)
  count = 0
  /** Open addressing; a feature is stored plus one so that zero means empty. */
  #slots = new Uint32Array(4096)
  #mask = 0

  /**
   * Empties the set for a text that adds at most `additionsMax` features. Work and memory touched
   * grow with that bound alone.
   */
  restart(additionsMax: number): void {
    const slotCount = 2 ** Math.ceil(Math.log2(additionsMax * 2 + 2))
    if (slotCount > this.#slots.length) this.#slots = new Uint32Array(slotCount)
    else this.#slots.fill(0, 0, slotCount)
    if (additionsMax > this.items.length) this.items = new Uint32Array(additionsMax)
    this.#mask = slotCount - 1
    this.count = 0
  }

  /** Adds a feature unless it is there. */
  add(feature: number): void {
    const slots = this.#slots
    const stored = (feature + 1) >>> 0
    // Buckets are already well mixed; the sign is folded in so that both values of one bucket part
    // ways.
    let slot = (feature ^ (feature >>> 20)) & this.#mask
    for (;;) {
      const there = slots[slot]
      if (there === stored) return
      if (there === 0) break
      slot = (slot + 1) & this.#mask
    }
    slots[slot] = stored
    this.items[this.count++] = feature >>> 0
  }
}
