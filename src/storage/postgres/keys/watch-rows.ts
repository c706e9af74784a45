import type { Scheduler } from '../../../core/scheduler.ts'
import type { RowMacs } from '../../../secrets/row-macs.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import type { Postgres, Query } from '../postgres.ts'
import type { CounterRow } from './change-counter.ts'

/** Looks for rows that are missing, or stand as they were before, as long as a process runs. */
export interface RowWatch {
  /** @throws Fault `store_unavailable` while the last look has found some */
  readonly ensureWhole: () => void
  readonly stop: () => Promise<void>
}

export interface RowWatchOptions {
  readonly postgres: Pick<Postgres, 'schema' | 'transaction'>
  readonly macs: RowMacs
  readonly rows: Pick<BelievedRows, 'reportLost' | 'confirm'>
  readonly scheduler: Scheduler
}

/** Milliseconds between two looks, and how many times as long as a look took at the least. */
const pauseMs = 10_000
const pauseFactor = 100
/** Rows that one statement adds up, so that it ends in its time. */
const summedAtOnce = 20_000

/**
 * The MAC of a row that was put back is right. So each process adds up the numbers of all rows: one
 * that counts on another's look would be told by the database.
 */
export function watchRows({ postgres, macs, rows, scheduler }: RowWatchOptions): RowWatch {
  let lost: string | undefined
  let isStopped = false
  let looking = Promise.resolve()
  let cancel = scheduler.after(pauseMs, begin)

  async function look(): Promise<void> {
    const begun = performance.now()
    try {
      lost = await findLostRows(postgres, macs)
      if (lost === undefined) rows.confirm('changes', 'sum')
    } catch {
      // Not known: the store is out, which those who read changes each second have said.
    }
    const took = performance.now() - begun
    if (!isStopped) cancel = scheduler.after(Math.max(pauseMs, took * pauseFactor), begin)
  }

  function begin(): void {
    looking = look()
  }

  return {
    ensureWhole() {
      if (lost !== undefined) rows.reportLost('changes', 'sum', `does not fit: ${lost}`)
    },
    async stop() {
      isStopped = true
      cancel()
      await looking
    },
  }
}

/**
 * Whether each row is as it was changed last, in one moment: says what is not so.
 *
 * @throws Fault `store_unavailable`
 */
export function findLostRows(
  { schema, transaction }: Pick<Postgres, 'schema' | 'transaction'>,
  macs: RowMacs,
): Promise<string | undefined> {
  return transaction(async (query) => {
    const [row] = await query<CounterRow>(`SELECT number, total, mac FROM ${schema}.changes WHERE id = 1`)
    if (row === undefined || !macs.isOf('changes', [row.number, row.total], row.mac))
      return 'the counter of changes is not as it was written'
    const [keys, owners] = [
      await sumChanges(query, `${schema}.keys`),
      await sumChanges(query, `${schema}.owners`),
    ]
    const isWhole = keys.total + owners.total === row.total
    // A row of a later change, beside a counter that was put back, may make up for one of before.
    if (isWhole && Math.max(keys.last, owners.last) <= row.number) return undefined
    return 'rows of keys are missing, or stand as they were before a later change'
  }, 'ISOLATION LEVEL REPEATABLE READ READ ONLY')
}

/** Larger numbers, which another program has written, would be no answer. */
const most = Number.MAX_SAFE_INTEGER

/** The sum of the numbers in all rows, and the last number. */
async function sumChanges(
  query: Query,
  table: string,
): Promise<{ readonly total: number; readonly last: number }> {
  let [total, last] = [0, 0]
  for (;;) {
    const [part]: readonly { readonly total: number; readonly last: number | null }[] = await query(
      `SELECT least(coalesce(sum(change), 0), ${most})::bigint AS total, max(least(change, ${most})) AS last FROM (
          SELECT change FROM ${table} WHERE change > $1 ORDER BY change LIMIT ${summedAtOnce}
        ) AS next_ones`,
      [last],
    )
    if (part === undefined || part.last === null) return { total, last }
    total += part.total
    last = part.last
    if (last >= most) return { total, last }
  }
}
