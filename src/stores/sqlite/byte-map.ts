interface Entry<Value> {
  readonly bytes: Uint8Array
  readonly value: Value
  /** What else has the same slot. */
  readonly next: Entry<Value> | undefined
}

/** Values by texts that lie somewhere in a buffer: to look one up makes no string of it, which takes five times as long. */
export class ByteMap<Value> {
  readonly #slots: (Entry<Value> | undefined)[]
  readonly #mask: number
  #last: Entry<Value> | undefined

  /** @param size how many texts there will be */
  constructor(size: number) {
    const slots = 2 ** Math.ceil(Math.log2(2 * size + 2))
    this.#slots = Array.from({ length: slots })
    this.#mask = slots - 1
  }

  /** Adds a text that is not there yet. */
  add(bytes: Uint8Array, value: Value): void {
    const slot = hashOf(bytes, 0, bytes.length) & this.#mask
    this.#slots[slot] = { bytes, value, next: this.#slots[slot] }
  }

  get(body: Uint8Array, start: number, length: number): Value | undefined {
    // Texts that follow each other are often the same.
    if (this.#last !== undefined && isSame(this.#last.bytes, body, start, length)) return this.#last.value
    let entry = this.#slots[hashOf(body, start, length) & this.#mask]
    while (entry !== undefined && !isSame(entry.bytes, body, start, length)) entry = entry.next
    if (entry !== undefined) this.#last = entry
    return entry?.value
  }
}

/** FNV-1a. */
function hashOf(body: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5
  for (let at = start; at < start + length; at += 1) hash = Math.imul(hash ^ (body[at] ?? 0), 0x01000193)
  return hash ^ (hash >>> 15)
}

function isSame(bytes: Uint8Array, body: Uint8Array, start: number, length: number): boolean {
  if (bytes.length !== length) return false
  // From the end: texts of one kind often begin alike.
  for (let index = length - 1; index >= 0; index -= 1) if (bytes[index] !== body[start + index]) return false
  return true
}
