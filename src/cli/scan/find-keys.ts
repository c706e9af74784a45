import { hasValidChecksum, keyIdLength, keyPattern } from '../../keys/record/key-text.ts'

/** A key found in a text, without its secret. */
export interface FoundKey {
  /** From 1. */
  readonly line: number
  /** From 1, in bytes. */
  readonly column: number
  readonly id: string
  readonly environment: string
}

/** Finds keys in bytes that come in pieces, wherever the pieces are cut. */
export interface KeyFinder {
  /** The keys that are complete with this piece. */
  readonly push: (piece: Buffer) => readonly FoundKey[]
  /** The last key, where the text ends with one. */
  readonly end: () => readonly FoundKey[]
}

/**
 * Longest key there is, with a prefix of 12, and one character on either side that tells whether it
 * stands alone.
 */
const windowLength = 12 + 1 + 4 + 1 + 12 + 1 + 49 + 2

/** @param prefix a deployment's key prefix */
export function createKeyFinder(prefix: string): KeyFinder {
  const pattern = keyPattern(prefix)
  /**
   * What was read and may belong to a key that is not complete yet, or decide whether one stands
   * alone.
   */
  let kept = ''
  /** Where `kept` begins. */
  let line = 1
  let column = 1
  let searchedFrom = 0

  function search(text: string, isEnd: boolean): readonly FoundKey[] {
    const found: FoundKey[] = []
    let countedTo = 0
    pattern.lastIndex = searchedFrom
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      // Whether a key that ends with the piece is one, or the beginning of a longer word, the next
      // piece tells.
      if (!isEnd && pattern.lastIndex === text.length) break
      advance(text, countedTo, match.index)
      countedTo = match.index
      searchedFrom = pattern.lastIndex
      if (hasValidChecksum(match[0])) found.push({ line, column, ...partsOf(match[0], prefix) })
    }
    const keepFrom = Math.max(countedTo, searchedFrom - 1, text.length - windowLength, 0)
    advance(text, countedTo, keepFrom)
    kept = text.slice(keepFrom)
    // What is kept begins with a character that only says what stands before a key: nothing was
    // lost before it.
    if (keepFrom > 0) searchedFrom = Math.max(1, searchedFrom - keepFrom)
    return found
  }

  function advance(text: string, from: number, to: number): void {
    let start = from
    for (let at = text.indexOf('\n', from); at >= 0 && at < to; at = text.indexOf('\n', at + 1)) {
      line += 1
      column = 1
      start = at + 1
    }
    column += to - start
  }

  return {
    // One character a byte: keys are ASCII, and no encoding can then cut a character in two. Zero
    // bytes go, so that UTF-16, as some shells write files, reads as what it says.
    push: (piece) => search(kept + piece.toString('latin1').replaceAll('\0', ''), false),
    end: () => search(kept, true),
  }
}

function partsOf(key: string, prefix: string): Pick<FoundKey, 'id' | 'environment'> {
  const environment = key.slice(prefix.length + 1, prefix.length + 5)
  const idAt = prefix.length + 6
  return { environment, id: key.slice(idAt, idAt + keyIdLength) }
}
