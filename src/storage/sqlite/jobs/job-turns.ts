import type { SqliteDatabase } from '../database.ts'
import { type JobCells, jobColumns, readJob, type StoredJob } from './job-row.ts'
import { isDamage } from './row-sums.ts'

/** Whose turn it is, and which of their jobs. The caller brings the transaction. */
export interface TurnTable {
  /** Records that an owner has a ready job of this model. A new owner gets the last turn. */
  readonly noteReady: (owner: string, model: string) => void
  /**
   * Takes the next ready job of the owner who was served longest ago, as one turn of theirs.
   *
   * @param setAside gets a row that is not the one that was written, and takes it out of the queue
   */
  readonly take: (models: readonly string[], setAside: SetAside) => StoredJob | undefined
}

type SetAside = (place: number) => void

interface TurnRow {
  readonly owner: string
  readonly served: number
}

export function createTurnTable(database: SqliteDatabase): TurnTable {
  const serve = database.prepare('UPDATE turns SET served = ? WHERE owner = ?')
  const nextTurn = createTurnCounter(database)
  const firstOwner = createOwnerFinder(database)
  const firstJob = createJobFinder(database)
  return {
    noteReady: createReadyNote(database, nextTurn),
    take(models, setAside) {
      for (;;) {
        const owner = firstOwner(models)
        if (owner === undefined) return undefined
        const found = firstJob(owner, models, setAside)
        // They had none, which is recorded now: another owner is first.
        if (found === undefined) continue
        serve.run(nextTurn(), owner)
        return found
      }
    },
  }
}

function createTurnCounter(database: SqliteDatabase): () => number {
  const count = database.prepare<{ served: number }>(
    'UPDATE totals SET served = served + 1 WHERE id = 1 RETURNING served',
  )
  return () => {
    const row = count.get()
    if (row === undefined) throw new Error('the row of totals is missing')
    return row.served
  }
}

function createReadyNote(database: SqliteDatabase, nextTurn: () => number): TurnTable['noteReady'] {
  const select = database.prepare<{ has_ready: number }>(
    'SELECT has_ready FROM turns WHERE owner = ? AND model = ?',
  )
  const selectServed = database.prepare<{ served: number }>(
    'SELECT served FROM turns WHERE owner = ? LIMIT 1',
  )
  const insert = database.prepare('INSERT INTO turns (owner, model, served, has_ready) VALUES (?, ?, ?, 1)')
  const update = database.prepare('UPDATE turns SET has_ready = 1 WHERE owner = ? AND model = ?')
  return (owner, model) => {
    const row = select.get(owner, model)
    // An owner keeps their turn when they use another model.
    if (row === undefined) insert.run(owner, model, selectServed.get(owner)?.served ?? nextTurn())
    else if (row.has_ready === 0) update.run(owner, model)
  }
}

function createOwnerFinder(database: SqliteDatabase): (models: readonly string[]) => string | undefined {
  const first = database.prepare<TurnRow>(
    'SELECT owner, served FROM turns WHERE model = ? AND has_ready = 1 ORDER BY served LIMIT 1',
  )
  return (models) => {
    let best: TurnRow | undefined
    for (const model of models) {
      const row = first.get(model)
      if (row !== undefined && (best === undefined || row.served < best.served)) best = row
    }
    return best?.owner
  }
}

/** An owner's next ready job of these models. Clears the mark of a model without one. */
function createJobFinder(
  database: SqliteDatabase,
): (owner: string, models: readonly string[], setAside: SetAside) => StoredJob | undefined {
  const first =
    'FROM jobs WHERE is_ready = 1 AND owner = ? AND model = ? ORDER BY priority DESC, place LIMIT 1'
  const select = database.prepareCells<JobCells>(`SELECT ${jobColumns} ${first}`)
  const selectPlace = database.prepare<{ place: number }>(`SELECT place ${first}`)
  const noteNone = database.prepare(
    'UPDATE turns SET has_ready = 0 WHERE owner = ? AND model = ? AND has_ready = 1',
  )

  function findFirst(owner: string, model: string, setAside: SetAside): StoredJob | undefined {
    for (;;) {
      try {
        const cells = select.get(owner, model)
        return cells === undefined ? undefined : readJob(cells)
      } catch (error) {
        const damaged = isDamage(error) ? selectPlace.get(owner, model) : undefined
        if (damaged === undefined) throw error
        setAside(damaged.place)
      }
    }
  }

  return (owner, models, setAside) => {
    let best: StoredJob | undefined
    for (const model of models) {
      const found = findFirst(owner, model, setAside)
      if (found === undefined) {
        noteNone.run(owner, model)
        continue
      }
      if (best === undefined || isBefore(found, best)) best = found
    }
    return best
  }
}

function isBefore(one: StoredJob, other: StoredJob): boolean {
  const priority = one.job.priority - other.job.priority
  return priority > 0 || (priority === 0 && one.place < other.place)
}
