/** Most texts that are remembered, then it begins anew: a few megabytes with the longest. */
const textsMax = 8_192
/** At most half of the slots are taken. */
const slots = 2 * textsMax
/** Remembering a longer one would cost more than it saves. */
const bytesMax = 256

/**
 * Texts by their bytes. To find one costs a fraction of making it anew, and it is always the same
 * string, which a map finds without comparing characters.
 */
export class TextTable {
  /** By slot, the number of a text from 1 on; 0 for none. */
  readonly #slots = new Uint16Array(slots)
  /** By the number of a text. */
  readonly #bytes: Buffer[] = [Buffer.alloc(0)]
  readonly #texts: string[] = ['']
  /** By kind, the number of the text found last: consecutive texts are often the same. */
  readonly #lasts: number[] = []

  /**
   * The text whose UTF-8 lies in a body from `start` to `end`.
   *
   * @param kind a small number, of texts that are often the same
   */
  find(kind: number, body: Buffer, start: number, end: number): string {
    const last = this.#lasts[kind] ?? 0
    if (last !== 0 && isSame(this.#bytes[last], body, start, end - start)) return this.#texts[last] ?? ''
    if (end - start > bytesMax) return body.toString('utf8', start, end)
    const text = this.#look(body, start, end)
    this.#lasts[kind] = text
    return this.#texts[text] ?? ''
  }

  #look(body: Buffer, start: number, end: number): number {
    if (this.#texts.length > textsMax) this.#clear()
    let slot = slotOf(body, start, end)
    for (let text = this.#slots[slot] ?? 0; text !== 0; text = this.#slots[slot] ?? 0) {
      if (isSame(this.#bytes[text], body, start, end - start)) return text
      slot = (slot + 1) % slots
    }
    this.#slots[slot] = this.#texts.length
    this.#texts.push(body.toString('utf8', start, end))
    // Copied: the body is not held for it.
    this.#bytes.push(Buffer.from(body.subarray(start, end)))
    return this.#texts.length - 1
  }

  #clear(): void {
    this.#slots.fill(0)
    this.#texts.length = 1
    this.#bytes.length = 1
    this.#lasts.fill(0)
  }
}

/** FNV-1a. */
function slotOf(body: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ (body[at] ?? 0), 0x01000193)
  return (hash ^ (hash >>> 15)) & (slots - 1)
}

function isSame(known: Buffer | undefined, body: Buffer, start: number, length: number): boolean {
  if (known?.length !== length) return false
  // From the end: texts of one kind often begin alike.
  for (let at = length - 1; at >= 0; at -= 1) if (known[at] !== body[start + at]) return false
  return true
}
