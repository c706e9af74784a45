/**
 * Whether texts can be in the database as they are: none has U+0000, which PostgreSQL refuses, nor
 * a lone surrogate, in whose place U+FFFD would be stored. Any other text is the name of nothing.
 */
export function isStorable(...texts: readonly (string | undefined)[]): boolean {
  return texts.every((text) => text === undefined || (!text.includes('\0') && text.isWellFormed()))
}

/** Where a text that may have U+0000 stands among those that can be stored. */
export function placeAmongStorable(text: string, isDescending: boolean): string {
  const end = text.indexOf('\0')
  if (end === -1) return text
  return isDescending ? `${text.slice(0, end)}\u0001` : text.slice(0, end)
}

/** The nearest whole number that a `bigint` of ours may be. */
export function toStorableNumber(value: number): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Math.trunc(value))) || 0
}
