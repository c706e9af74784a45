import { describe, expect, test } from 'vitest'
import { processScheduler } from '../../src/core/scheduler.ts'
import type { LedgerEntry } from '../../src/ledger/format/record.ts'
import type { UsageQuery } from '../../src/ledger/ledger.ts'
import { createSettledBlocks } from '../../src/storage/postgres/ledger/settled.ts'
import { fillUsage } from '../../src/storage/postgres/ledger/usage/fill-usage.ts'
import { openPostgres, type Postgres, type Query } from '../../src/storage/postgres/postgres.ts'
import { unhurried } from '../support/services.ts'
import { addUp, readAll, requestOf } from './ledger.contract.ts'
import { openLedgerSchema } from './postgres-ledgers.ts'

const begin = Date.UTC(2026, 10, 20)
const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** Requests of several keys over four days, in a few routes and models. */
function entriesOf(count: number): LedgerEntry[] {
  return Array.from({ length: count }, (_, number) =>
    requestOf({
      at: begin + ((number * 7_919) % 1_000) * (dayMs / 250) + number,
      requestId: `r${number}`,
      keyId: number % 7 === 0 ? null : `key_${number % 5}`,
      owner: number % 7 === 0 ? null : `owner ${number % 2}`,
      route: `/route-${number % 3}`,
      event: number % 11 === 0 ? 'request.refused' : 'request.admitted',
      code: number % 11 === 0 ? 'rate_limited' : null,
      latencyUs: number % 50,
      measures: { requests: 1, characters: number % 50 },
      detail: number % 4 === 0 ? { model: `m\0${number % 3}` } : null,
    }),
  )
}

const queries: readonly UsageQuery[] = [
  { by: [] },
  { by: ['key', 'day'] },
  { by: ['owner', 'route', 'model', 'month'] },
  { by: ['day'], keyId: 'key_3' },
  { by: ['key'], since: begin + 90_000, until: begin + 3 * dayMs + 5 * hourMs + 1 },
  { by: ['route'], owner: 'owner 1', since: begin + dayMs + 17, until: begin + dayMs + 30 * 60_000 },
  { by: [], since: begin + hourMs, until: begin + 2 * hourMs },
]

async function openSummed() {
  const schema = await openLedgerSchema()
  const ledger = await schema.open()
  const postgres = await openPostgres({ ...unhurried, url: schema.url, fault: 'ledger_unavailable' })
  const sumUp = async (): Promise<void> => {
    const settled = createSettledBlocks(processScheduler)
    while (await fillUsage(postgres, await settled.find(postgres), true));
  }
  return { ...schema, ledger, postgres, sumUp }
}

describe('usage in PostgreSQL', () => {
  test('is the same, however much of it is summed up, and exact while others write and sum up', async () => {
    const { ledger, open, sumUp, postgres, sql } = await openSummed()
    const entries = entriesOf(4_000)
    for (let at = 0; at < entries.length; at += 1_000) {
      await Promise.all(entries.slice(at, at + 1_000).map(ledger.append))
      const all = await readAll(ledger)
      for (const query of queries) expect(await ledger.usage(query)).toEqual(addUp(all, query))
      if (at === 0 || at === 2_000) await sumUp()
      for (const query of queries) expect(await ledger.usage(query)).toEqual(addUp(all, query))
    }
    const [{ rows } = {}] = await sql('SELECT count(*)::int AS rows FROM $schema.usage')
    expect(rows).toBeGreaterThan(500)
    // Each count is one that there was at some moment: none twice, none missing.
    const other = await open({ node: 'other' })
    const written = Promise.all(entriesOf(3_000).map(other.append))
    let before = 4_000
    for (let turn = 0; turn < 8; turn += 1) {
      await Promise.all([turn % 4 === 0 ? sumUp() : undefined, readGrowth()])
    }
    async function readGrowth(): Promise<void> {
      const [row] = await ledger.usage({ by: [] })
      const requests = row?.requests ?? 0
      expect(requests).toBeGreaterThanOrEqual(before)
      expect(requests).toBeLessThanOrEqual(7_000)
      before = requests
    }
    await written
    const all = await readAll(ledger)
    for (const query of queries) expect(await ledger.usage(query)).toEqual(addUp(all, query))
    await postgres.close()
  })

  test('of several that sum up at once each record counts once', async () => {
    const { ledger, sumUp, postgres } = await openSummed()
    await Promise.all(entriesOf(3_000).map(ledger.append))
    await Promise.all([sumUp(), sumUp(), sumUp()])
    await sumUp()
    const all = await readAll(ledger)
    for (const query of queries) expect(await ledger.usage(query)).toEqual(addUp(all, query))
    await postgres.close()
  })

  test('outlives the records that retention drops', async () => {
    const { sql, inspect, open } = await openLedgerSchema()
    const time = { now: begin }
    const clock = (): number => time.now
    const ledger = await open({ clock, monotonic: clock, retention: { ageMs: dayMs } })
    await Promise.all(entriesOf(2_000).map(ledger.append))
    const all = await readAll(ledger)
    const query = { by: ['key', 'day'] } as const
    const wanted = addUp(all, query)
    time.now += 10 * dayMs
    await ledger.append(requestOf({ at: time.now, event: 'key.created' }))
    const left = async () =>
      Number((await sql('SELECT count(*)::int AS count FROM $schema.block'))[0]?.['count'])
    while ((await left()) > 3) expect(await ledger.usage(query)).toEqual(wanted)
    expect(await ledger.usage(query)).toEqual(wanted)
    expect((await inspect.verify({})).firstBroken).toBeUndefined()
  })

  test('keeps records from being dropped that it does not count yet', async () => {
    const { sql, open, connect, schema } = await openLedgerSchema()
    // As a node does that sums up, and takes its time.
    const other = await connect()
    const key = `hashtextextended('modelward "${schema}" ledger usage', 0)`
    await other.query(`SELECT pg_advisory_lock(${key})`)
    const time = { now: begin }
    const clock = (): number => time.now
    const ledger = await open({ clock, monotonic: clock, retention: { ageMs: dayMs, bytes: 1e9 } })
    await Promise.all(entriesOf(1_000).map(ledger.append))
    const wanted = await ledger.usage({ by: ['key'] })
    time.now += 10 * dayMs
    // Two turns of maintenance, each of which looks for what is too old.
    for (let turn = 0, counted = -1; turn < 2; turn += 1) {
      await ledger.append(requestOf({ at: time.now, event: 'key.created' }))
      const until = async () => Number((await sql('SELECT until FROM $schema.counted_bytes'))[0]?.['until'])
      while ((await until()) <= counted);
      counted = await until()
    }
    expect(await ledger.usage({ by: ['key'] })).toEqual(wanted)
    await other.query(`SELECT pg_advisory_unlock(${key})`)
    const oldest = async () => Number((await sql('SELECT min(id) AS id FROM $schema.block'))[0]?.['id'])
    while ((await oldest()) === 1);
    expect(await ledger.usage({ by: ['key'] })).toEqual(wanted)
  })

  test.each([
    [
      'more requests',
      'UPDATE $schema.usage SET requests = requests + 1 WHERE ctid = (SELECT min(ctid) FROM $schema.usage)',
    ],
    ['a row less', 'DELETE FROM $schema.usage WHERE ctid = (SELECT min(ctid) FROM $schema.usage)'],
    ['the row of another key', `UPDATE $schema.usage SET key_id = 'key_x' WHERE key_id = 'key_3'`],
    [
      'an hour less',
      'DELETE FROM $schema.usage_bucket WHERE ctid = (SELECT min(ctid) FROM $schema.usage_bucket)',
    ],
    [
      'a row of no hour',
      `INSERT INTO $schema.usage SELECT width, 5, key_id, owner, route, model, 1, 1, 0, 1, '', '', '' FROM $schema.usage LIMIT 1`,
    ],
    ['more than there is', 'UPDATE $schema.usage_filled SET block = block + 1000'],
    [
      'latencies',
      `UPDATE $schema.usage SET latencies = '' WHERE ctid = (SELECT min(ctid) FROM $schema.usage WHERE admitted > 0)`,
    ],
  ])('changed by SQL is found: %s', async (_name, statement) => {
    const { ledger, sumUp, postgres, sql, inspect } = await openSummed()
    await Promise.all(entriesOf(800).map(ledger.append))
    await sumUp()
    await ledger.append(requestOf())
    expect((await inspect.verify({})).firstBroken).toBeUndefined()
    await sql(statement)
    expect((await inspect.verify({})).firstBroken?.kind).toBe('usage_changed')
    await postgres.close()
  })

  test('of routes and models beyond a bound is that of others', async () => {
    const { ledger, sumUp, postgres } = await openSummed()
    const entries = Array.from({ length: 700 }, (_, number) =>
      requestOf({ at: begin, route: `/r-${number}`, measures: { requests: 1 } }),
    )
    await Promise.all(entries.map(ledger.append))
    await sumUp()
    const rows = await ledger.usage({ by: ['route'] })
    expect(rows).toHaveLength(501)
    expect(rows.find(({ route }) => route === 'other')?.requests).toBe(200)
    await postgres.close()
  })

  test('of routes that programs name as they ask about keys leaves room for the routes that there are', async () => {
    const { ledger, sumUp, postgres } = await openSummed()
    const entries = Array.from({ length: 700 }, (_, number) =>
      requestOf({ at: begin, route: `verify GET /user/${number}`, measures: { requests: 1 } }),
    )
    await Promise.all(entries.map(ledger.append))
    await sumUp()
    await ledger.append(requestOf({ at: begin, route: '/predict', measures: { requests: 1 } }))
    await sumUp()
    const rows = await ledger.usage({ by: ['route'] })
    expect(rows.find(({ route }) => route === '/predict')?.requests).toBe(1)
    expect(rows.find(({ route }) => route === 'other')?.requests).toBe(450)
    await postgres.close()
  })

  test('is summed up without a look at rows that nothing is added to', async () => {
    const { ledger, postgres, sql } = await openSummed()
    await sql(
      `INSERT INTO $schema.usage SELECT 3600000, $1, convert_to('other_' || n, 'UTF8'), '', '', '', 1, 1, 0, 0, '', '', ''
       FROM generate_series(1, 20000) AS n`,
      [begin],
    )
    await Promise.all(entriesOf(200).map(ledger.append))
    const settled = await createSettledBlocks(processScheduler).find(postgres)
    const { explained, read } = explain(postgres)
    expect(await fillUsage(explained, settled, true)).toBe(true)
    expect(read()).toBeLessThan(2_000)
    await postgres.close()
  })
})

interface PlanNode {
  readonly 'Relation Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly Plans?: readonly PlanNode[]
}

/** Counts the rows of usage that queries in transactions read. */
function explain(postgres: Postgres): { readonly explained: Postgres; readonly read: () => number } {
  let read = 0
  function count(node: PlanNode): void {
    const each = node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)
    if (node['Relation Name'] === 'usage') read += each * node['Actual Loops']
    node.Plans?.forEach(count)
  }
  const explaining =
    (query: Query): Query =>
    async (text, values) => {
      if (text.startsWith('SELECT')) {
        const [row] = await query<{ 'QUERY PLAN': readonly [{ Plan: PlanNode }] }>(
          `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
          values,
        )
        if (row !== undefined) count(row['QUERY PLAN'][0].Plan)
      }
      return query(text, values)
    }
  const transaction: Postgres['transaction'] = (run, mode) =>
    postgres.transaction((query) => run(explaining(query)), mode)
  return { explained: { ...postgres, transaction }, read: () => read }
}
