import type { SqliteDatabase } from '../database.ts'

/** An owner with a due delivery. */
export interface DeliveryTurn {
  readonly owner: string
  /** When the first of them was due, milliseconds since the epoch. */
  dueAt: number
  /** How many more may be leased. */
  left: number
}

/** Owners with due deliveries; the longest due comes first. */
export interface DeliveryTurns {
  /** Up to `max` owners with fewer than `ownerMax` leased deliveries. */
  readonly list: (now: number, max: number, ownerMax: number) => readonly DeliveryTurn[]
  /** Updates when an owner's first delivery is due, and returns it; null without one. */
  readonly refresh: (owner: string) => number | null
}

interface TurnRow {
  readonly owner: string
  readonly due_at: number
}

export function createDeliveryTurns(database: SqliteDatabase): DeliveryTurns {
  const selectNext = database.prepare<TurnRow>(
    `SELECT owner, due_at FROM delivery_turns WHERE due_at <= ? AND (due_at, owner) > (?, ?)
      ORDER BY due_at, owner LIMIT 1`,
  )
  const countLeased = database.prepare<{ count: number }>(
    'SELECT count(*) AS count FROM deliveries WHERE owner = ? AND held_by IS NOT NULL AND due_at > ?',
  )
  const selectDue = database.prepare<{ due_at: number | null }>(
    'SELECT min(due_at) AS due_at FROM deliveries WHERE owner = ? AND due_at IS NOT NULL',
  )
  const put = database.prepare(
    `INSERT INTO delivery_turns VALUES (?, ?)
      ON CONFLICT (owner) DO UPDATE SET due_at = excluded.due_at WHERE due_at <> excluded.due_at`,
  )
  const remove = database.prepare('DELETE FROM delivery_turns WHERE owner = ?')

  return {
    list(now, max, ownerMax) {
      const found: DeliveryTurn[] = []
      let last: TurnRow | undefined = { owner: '', due_at: Number.MIN_SAFE_INTEGER }
      while (found.length < max) {
        last = selectNext.get(now, last.due_at, last.owner)
        if (last === undefined) break
        const left = ownerMax - (countLeased.get(last.owner, now)?.count ?? 0)
        if (left > 0) found.push({ owner: last.owner, dueAt: last.due_at, left })
      }
      return found
    },
    refresh(owner) {
      const dueAt = selectDue.get(owner)?.due_at ?? null
      if (dueAt === null) remove.run(owner)
      else put.run(owner, dueAt)
      return dueAt
    },
  }
}
