import type { PriorHeads } from '../../../ledger/format/checkpoint.ts'
import type { Postgres } from '../postgres.ts'

/** As many as fit into a record's detail. */
const streamsMax = 8
/** Of these, streams that live nodes still write: their nodes vouch for each other anyway. */
const liveMax = 2

interface HeadRow {
  readonly id: string
  readonly seq: number
  readonly hash: string
  readonly is_closed: boolean
  readonly is_live: boolean
}

/**
 * The heads of the streams that were written last, most of them of nodes that are gone: their tails
 * have no other witness.
 *
 * @param live the nodes that are alive: an open stream of theirs is not unclosed
 */
export async function readPriorHeads(postgres: Postgres, live: ReadonlySet<string>): Promise<PriorHeads> {
  const some = (condition: string): string =>
    `(SELECT id, seq, encode(link, 'hex') AS hash, is_closed, ${condition} AS is_live, written_at, number
      FROM ${postgres.schema}.stream WHERE (${condition}) = $2 ORDER BY written_at DESC, number DESC LIMIT ${streamsMax})`
  const isLive = 'NOT is_closed AND node = ANY($1::text[])'
  const read = (wanted: boolean): Promise<readonly HeadRow[]> =>
    postgres.query<HeadRow>(some(isLive), [[...live], wanted])
  const others = await read(false)
  const alive = live.size === 0 ? [] : await read(true)
  const fewest = Math.max(liveMax, streamsMax - others.length)
  const told = [...others.slice(0, streamsMax - Math.min(liveMax, alive.length)), ...alive.slice(0, fewest)]
  return {
    before: told.map(({ id, seq, hash }) => `${id}:${seq}:${hash}`),
    unclosed: told.flatMap(({ id, is_closed, is_live }) => (is_closed || is_live ? [] : [id])),
  }
}
