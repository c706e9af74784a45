import type { GiveWay } from '../../../jobs/job-queue.ts'
import { servedAtOnceMax, sharePlaces } from '../../../jobs/share-places.ts'
import type { SqliteDatabase, SqliteStatement } from '../database.ts'

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
      const owners = rows.slice(0, servedAtOnceMax).map(({ owner }) => owner)
      return owners.length === 0 ? [] : [{ model, owners }]
    })
    if (waiting.length === 0) return []
    const running = selectRunning.all()
    return waiting.flatMap(({ model, owners }) => {
      const places = Map.groupBy(
        running.filter((job) => job.model === model),
        ({ owner }) => owner,
      )
      const counts = [...places].map(([owner, { length }]) => [owner, length] as const)
      return sharePlaces(counts, owners).map(([owner, jobs]) => ({ owner, model, jobs }))
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
      ORDER BY served LIMIT ${servedAtOnceMax}`,
  )
}
