import type { SqliteDatabase } from './database.ts'
import { decodeJob, type JobCells, jobColumns, type StoredJob } from './job-row.ts'

/** Whose turn it is, and which job of theirs: without transactions or error handling of its own. */
export interface TurnTable {
  /** Notes that an owner has a job of this model that may be claimed. */
  readonly noteReady: (owner: string, model: string) => void
  /** Takes the next job that may be claimed, of the owner who was served longest ago, as one turn of theirs. */
  readonly take: (models: readonly string[]) => StoredJob | undefined
}

interface TurnRow {
  readonly place: number
  readonly owner: string
  readonly served: number
}

export function createTurnTable(database: SqliteDatabase): TurnTable {
  // An owner who is served already keeps their turn when they ask another model.
  const note = database.prepare(
    `INSERT INTO turns (owner, model, served, has_ready)
      VALUES (?1, ?2, (SELECT coalesce(max(served), 0) FROM turns WHERE owner = ?1), 1)
      ON CONFLICT (owner, model) DO UPDATE SET has_ready = 1 WHERE has_ready = 0`,
  )
  const first = database.prepare<TurnRow>(
    `SELECT place, owner, served FROM turns WHERE model = ? AND has_ready = 1 ORDER BY served, place LIMIT 1`,
  )
  const firstJob = database.prepareCells<JobCells>(
    `SELECT ${jobColumns} FROM jobs WHERE is_ready = 1 AND owner = ? AND model = ?
      ORDER BY priority DESC, created_at, place LIMIT 1`,
  )
  const noteNone = database.prepare('UPDATE turns SET has_ready = 0 WHERE owner = ? AND model = ? AND has_ready = 1')
  const nextServed = database.prepare<{ served: number }>(
    'UPDATE totals SET served = served + 1 WHERE id = 1 RETURNING served',
  )
  const serve = database.prepare('UPDATE turns SET served = ? WHERE owner = ?')

  function firstOwner(models: readonly string[]): string | undefined {
    let best: TurnRow | undefined
    for (const model of models) {
      const row = first.get(model)
      if (row !== undefined && (best === undefined || compareTurns(row, best) < 0)) best = row
    }
    return best?.owner
  }

  function firstJobOf(owner: string, models: readonly string[]): StoredJob | undefined {
    let best: StoredJob | undefined
    for (const model of models) {
      const cells = firstJob.get(owner, model)
      if (cells === undefined) {
        noteNone.run(owner, model)
        continue
      }
      const found = decodeJob(cells)
      if (best === undefined || compareJobs(found, best) < 0) best = found
    }
    return best
  }

  return {
    noteReady(owner, model) {
      note.run(owner, model)
    },
    take(models) {
      for (;;) {
        const owner = firstOwner(models)
        if (owner === undefined) return undefined
        const found = firstJobOf(owner, models)
        // Where they had none, that is noted now, and another is first.
        if (found === undefined) continue
        serve.run(nextServed.get()?.served ?? 0, owner)
        return found
      }
    },
  }
}

function compareTurns(a: TurnRow, b: TurnRow): number {
  return a.served - b.served || a.place - b.place
}

function compareJobs(a: StoredJob, b: StoredJob): number {
  return b.job.priority - a.job.priority || a.job.createdAt - b.job.createdAt || a.place - b.place
}
