/** Waiting owners of a model that one look serves; the next look goes on. */
export const servedAtOnceMax = 64

/**
 * Gives each waiting owner one place of the owner who has most, where that makes their numbers more
 * alike, or where they have none: then owners with one place each use it in turn. Who gives gets
 * none at the same time, or one newcomer would have all others change places.
 */
export function sharePlaces(
  running: Iterable<readonly [owner: string, jobs: number]>,
  waiting: readonly string[],
): readonly (readonly [owner: string, jobs: number])[] {
  const places = new Map(running)
  const given = new Map<string, number>()
  for (const owner of waiting) {
    if (given.has(owner)) continue
    const own = places.get(owner) ?? 0
    const [most, held] = [...places].reduce((one, other) => (other[1] > one[1] ? other : one), ['', 0])
    if (most === owner || held === 0 || (own > 0 && held <= own + 1)) continue
    places.set(most, held - 1)
    given.set(most, (given.get(most) ?? 0) + 1)
  }
  return [...given]
}
