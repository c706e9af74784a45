/** The name that was probably meant: the nearest by typos, if one is near enough. */
export function suggest(typed: string, names: Iterable<string>): string | undefined {
  let nearest: string | undefined
  let least = Math.max(2, Math.floor(typed.length / 4)) + 1
  for (const name of names) {
    const typos = countTypos(typed.toLowerCase(), name.toLowerCase())
    if (typos < least) {
      least = typos
      nearest = name
    }
  }
  return nearest
}

/** Levenshtein's distance: characters to insert, delete or replace. Both texts are short names. */
function countTypos(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
