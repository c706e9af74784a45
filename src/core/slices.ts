/** The items in their order, at most `max` at a time. */
export function* slicesOf<T>(items: readonly T[], max: number): Generator<readonly T[], void> {
  for (let from = 0; from < items.length; from += max) yield items.slice(from, from + max)
}

/** Characters that are looked at, or written, in one turn of the event loop: half a millisecond. */
const turnCharacters = 131_072

/** Counts the characters of a long list. Returns whether other work should have its turn now. */
export function createTurnCounter(): (characters: number) => boolean {
  let ofTurn = 0
  return function isTurnOver(characters) {
    ofTurn += characters
    if (ofTurn < turnCharacters) return false
    ofTurn = 0
    return true
  }
}
