import type { GiveWay } from '../../../jobs/job-queue.ts'
import type { SqliteDatabase, SqliteStatement } from '../database.ts'

/** Waiting owners of a model that one look serves; the next look goes on. */
const servedMax = 64

/** Finds whose running jobs of these models hold places that other owners wait for. */
export function createGiveWayFinder(
  database: SqliteDatabase,
): (models: readonly string[]) => readonly GiveWay[] {
  const waitingWithout = prepareWaiting(database, 'NOT EXISTS')
  const waitingForMore = prepareWaiting(database, 'EXISTS')
  const selectRunning = database.prepare<{ owner: string; model: string }>(
    "SELECT owner, model FROM jobs WHERE status = 'running'",
  )

  return (models) => {
    const waiting = models.flatMap((model) => {
      const rows = [...waitingWithout.all(model), ...waitingForMore.all(model)]
      const owners = rows.slice(0, servedMax).map(({ owner }) => owner)
      return owners.length === 0 ? [] : [{ model, owners }]
    })
    if (waiting.length === 0) return []
    const running = selectRunning.all()
    return waiting.flatMap(({ model, owners }) => {
      const places = countPlaces(running.filter((job) => job.model === model))
      return shareOut(places, owners).map(([owner, jobs]) => ({ owner, model, jobs }))
    })
  }
}

/**
 * Owners who wait for a place in a model, those served longest ago first.
 *
 * @param place whether they have one already
 */
function prepareWaiting(
  database: SqliteDatabase,
  place: 'EXISTS' | 'NOT EXISTS',
): SqliteStatement<{ readonly owner: string }> {
  const theirs = 'jobs.owner = turns.owner AND jobs.model = turns.model'
  // A mark outlives the last ready job until a claim looks for one: it alone says nothing.
  return database.prepare(
    `SELECT owner FROM turns WHERE model = ? AND has_ready = 1
      AND EXISTS (SELECT 1 FROM jobs WHERE is_ready = 1 AND ${theirs})
      AND ${place} (SELECT 1 FROM jobs WHERE status = 'running' AND ${theirs})
      ORDER BY served LIMIT ${servedMax}`,
  )
}

function countPlaces(running: readonly { readonly owner: string }[]): Map<string, number> {
  const places = new Map<string, number>()
  for (const { owner } of running) places.set(owner, (places.get(owner) ?? 0) + 1)
  return places
}

/**
 * Gives each waiting owner one place of the owner who has most, where that makes their numbers more
 * alike, or where they have none: then owners with one place each use it in turn. Who gives gets
 * none at the same time, or one newcomer would have all others change places.
 */
function shareOut(
  places: Map<string, number>,
  waiting: readonly string[],
): readonly (readonly [owner: string, jobs: number])[] {
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
