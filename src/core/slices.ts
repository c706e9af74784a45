/** The items in their order, at most `max` at a time. */
export function* slicesOf<T>(items: readonly T[], max: number): Generator<readonly T[], void> {
  for (let from = 0; from < items.length; from += max) yield items.slice(from, from + max)
}
