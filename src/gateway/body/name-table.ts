/** A name that is looked for among the members of an object, and what its value is. */
export interface Wanted {
  readonly name: string
  /** Which field of the body it is; less than 0: only where it leads counts. */
  readonly field: number
  /** What its value is: one of `roles`. */
  readonly role: number
  /** How a closed member is called: `audio.id`. */
  readonly closed?: string
}

/** A name as it was found. */
export interface Found extends Wanted {
  /** Whether only some parsers take it for this name: it has other letters, `Model`. */
  readonly isOtherSpelling: boolean
}

interface Entry {
  readonly folded: string
  readonly exact: Found
  /** Undefined: in another spelling it is another name. */
  readonly other: Found | undefined
}

/** Bytes of the longest name that is looked at: no wanted one has as many, all escaped. */
const nameBytes = 1_024

/** Names that are looked for in one kind of object. */
export class NameTable {
  /** By the length of a name, which most names are told apart by. */
  readonly #byLength: Entry[][] = []
  readonly #byFolded = new Map<string, Entry>()

  /** @param exact names that are wanted in this spelling alone */
  constructor(wanted: readonly Wanted[], exact: readonly Wanted[] = []) {
    for (const each of wanted) this.#add(each, { ...each, isOtherSpelling: true })
    for (const each of exact) this.#add(each, undefined)
  }

  /** The first of a name counts. */
  #add(wanted: Wanted, other: Found | undefined): void {
    const folded = fold(wanted.name)
    if (this.#byFolded.has(folded)) return
    const entry = { folded, exact: { ...wanted, isOtherSpelling: false }, other }
    this.#byFolded.set(folded, entry)
    const { length } = wanted.name
    this.#byLength[length] = [...(this.#byLength[length] ?? []), entry]
  }

  /**
   * The wanted name that stands between these two bytes, behind the quote and before the next.
   *
   * @param isEscaped whether there is an escape in it
   * @returns `broken` for a name that has half a character, or the one that ends a text in C
   */
  find(bytes: Buffer, start: number, end: number, isEscaped: boolean): Found | 'broken' | undefined {
    if (end - start > nameBytes) return isEscaped ? 'broken' : undefined
    if (isEscaped || !isAscii(bytes, start, end)) return this.#findDecoded(bytes, start, end)
    const entries = this.#byLength[end - start]
    if (entries === undefined) return
    for (const entry of entries) {
      if (isSpelt(entry.exact.name, bytes, start)) return entry.exact
      if (entry.other !== undefined && isFolded(entry.folded, bytes, start)) return entry.other
    }
    return
  }

  #findDecoded(bytes: Buffer, start: number, end: number): Found | 'broken' | undefined {
    const name = JSON.parse(bytes.toString('utf8', start - 1, end + 1)) as string
    if (!name.isWellFormed() || name.includes('\0')) return 'broken'
    const entry = this.#byFolded.get(fold(name))
    return name === entry?.exact.name ? entry.exact : entry?.other
  }
}

/**
 * A name as the most lenient parser compares it. Go's folds two more letters than ASCII has: U+017F
 * becomes an s, U+212A a k; Java's a dotless i, too.
 */
function fold(name: string): string {
  return name.toUpperCase().toLowerCase()
}

function isAscii(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if ((bytes[at] as number) > 0x7f) return false
  return true
}

function isSpelt(name: string, bytes: Buffer, start: number): boolean {
  for (let index = 0; index < name.length; index += 1) {
    if (bytes[start + index] !== name.charCodeAt(index)) return false
  }
  return true
}

/** Whether ASCII letters from here on are this name, but for their case. */
function isFolded(folded: string, bytes: Buffer, start: number): boolean {
  for (let index = 0; index < folded.length; index += 1) {
    const byte = bytes[start + index] as number
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
    if (lower !== folded.charCodeAt(index)) return false
  }
  return true
}
