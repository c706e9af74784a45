import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LedgerQuery } from '../../src/ledger/ledger.ts'
import { collectEvents } from '../support/collect-events.ts'
import { readAll, requestOf } from './ledger.contract.ts'
import { manyOf } from './ledger-threads.ts'
import { openLedgerSchema } from './postgres-ledgers.ts'

const hourMs = 3_600_000

describe('the index of a ledger in PostgreSQL', () => {
  test('finds what a plain list holds, by each text, in each order, filled by one node of several', async () => {
    const { open, sql, inspect } = await openLedgerSchema()
    const [one, other] = [await open({ node: 'one' }), await open({ node: 'other' })]
    const entries = manyOf(40_000)
    for (let at = 0; at < entries.length; at += 4_000)
      await Promise.all(
        entries.slice(at, at + 4_000).map((entry, index) => (index % 2 ? one : other).append(entry)),
      )
    const indexed = async () =>
      (await sql('SELECT count(*)::int AS count FROM $schema.indexed'))[0]?.['count']
    while (Number(await indexed()) < 2) await sql('SELECT pg_sleep(0.05)')
    const all = await readAll(one)
    const filters: Partial<LedgerQuery>[] = [
      { keyId: 'key_12' },
      { keyId: 'key_12', owner: 'owner 3' },
      { owner: 'owner 3', since: entries[20_000]?.at ?? 0, until: entries[21_000]?.at ?? 0 },
      { code: 'rate_limited' },
      { route: '/predict', requestId: 'r39999' },
      { keyId: 'none' },
    ]
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...filters),
        fc.constantFrom('newest' as const, 'oldest' as const),
        fc.integer({ min: 3, max: 50 }),
        async ({ since = 0, until = Number.MAX_SAFE_INTEGER, ...texts }, order, limit) => {
          const wanted = all.filter(
            (record) =>
              record.at >= since &&
              record.at < until &&
              Object.entries(texts).every(([name, value]) => record[name as keyof typeof record] === value),
          )
          const found = await readAll(other, { ...texts, since, until, order, limit })
          expect(found).toEqual(order === 'oldest' ? wanted : wanted.toReversed())
        },
      ),
      { numRuns: 24 },
    )
    expect((await inspect.verify({})).firstBroken).toBeUndefined()
    // A row that is gone hides its records from queries, and verification says so.
    await sql(`DELETE FROM $schema.posting WHERE term = 'key:key_12'`)
    expect((await inspect.verify({})).firstBroken?.kind).toBe('index_changed')
  })
})

/** As a copy leaves it whose history follows behind the nodes. */
const arriving = 'INSERT INTO $schema.arriving VALUES (1, 100000, 1, 1000, 0)'

describe('a ledger whose history arrives', () => {
  test('is neither indexed nor dropped, and is not read from its oldest record on; then it is', async () => {
    const { open, sql, inspect } = await openLedgerSchema()
    await sql(arriving)
    // Sums of what is to come, which retention would drop behind its records.
    await sql(`INSERT INTO $schema.usage_bucket VALUES (${hourMs}, 0, 1, 99)`)
    const sums = () => one('count(*) FROM $schema.usage_bucket WHERE bucket = 0')
    await sql('ALTER TABLE $schema.block ALTER id RESTART WITH 100000')
    const entries = manyOf(36_000)
    const time = { now: entries.at(-1)?.at ?? 0 }
    const clock = (): number => time.now
    const retention = { ageMs: 10 * hourMs, usageMs: 0 }
    const ledger = await open({ clock, monotonic: clock, retention })
    for (let at = 0; at < entries.length; at += 4_000)
      await Promise.all(entries.slice(at, at + 4_000).map((entry) => ledger.append(entry)))
    time.now += 24 * hourMs
    const one = async (column: string): Promise<number> =>
      Number((await sql(`SELECT (SELECT ${column}) AS found`))[0]?.['found'])
    const filled = () => one('block FROM $schema.usage_filled')
    const newest = await one('max(id) FROM $schema.block')
    // A turn of maintenance indexes first, sums up behind that, and drops last: of the second one
    // with something to sum up the first has ended.
    while ((await filled()) < newest - 64) await sql('SELECT pg_sleep(0.05)')
    for (let turn = 0; turn < 2; turn += 1) {
      await sql(`UPDATE $schema.usage_filled SET filled_at = now() - interval '1 hour'`)
      await ledger.append(requestOf({ at: time.now }))
      const last = await one('max(id) FROM $schema.block')
      while ((await filled()) < last) await sql('SELECT pg_sleep(0.05)')
    }
    expect(await one('count(*) FROM $schema.indexed')).toBe(0)
    expect(await one('min(id) FROM $schema.block')).toBe(100_000)
    expect(await sums()).toBe(1)
    const forward = { limit: 1, order: 'oldest' } as const
    await expect(ledger.query(forward)).rejects.toMatchObject({ code: 'ledger_unavailable' })
    const [found] = (await ledger.query({ ...forward, since: 1_001 })).records
    expect(found?.position).toContain('100000')
    expect((await ledger.query({ ...forward, after: found?.position })).records.length).toBe(1)
    expect((await inspect.verify({})).firstBroken?.kind).toBe('history_arriving')

    await sql('DELETE FROM $schema.arriving')
    while ((await one('min(id) FROM $schema.block')) === 100_000) await sql('SELECT pg_sleep(0.05)')
    while ((await one('count(*) FROM $schema.indexed')) === 0) await sql('SELECT pg_sleep(0.05)')
    while ((await sums()) > 0) await sql('SELECT pg_sleep(0.05)')
    expect((await ledger.query(forward)).records.length).toBe(1)
  })
})

describe('retention of a ledger in PostgreSQL', () => {
  test('drops what is too old behind a signed base, records it, and the rest verifies', async () => {
    const { open, inspect } = await openLedgerSchema()
    const time = { now: Date.UTC(2026, 10, 24) }
    const clock = (): number => time.now
    const { telemetry, names } = collectEvents()
    const liveNodes = async () => new Set(['one', 'other'])
    const options = { liveNodes, clock, monotonic: clock, retention: { ageMs: 60_000 }, telemetry }
    const ledgers = [await open({ ...options, node: 'one' }), await open({ ...options, node: 'other' })]
    const [ledger] = ledgers
    if (ledger === undefined) return
    for (let commit = 0; commit < 12; commit += 1)
      await Promise.all(ledgers.map(({ append }) => append(requestOf({ at: time.now }))))
    const checkpoint = await ledger.checkpoint()
    time.now += hourMs
    await ledger.append(requestOf({ at: time.now, requestId: 'kept' }))
    let dropped = 0
    while (dropped < 29)
      dropped = (await readAll(ledger, { event: 'ledger.dropped' })).reduce(
        (sum, { detail }) => sum + Number(detail?.['records']),
        0,
      )
    expect(dropped).toBe(29)
    expect((await readAll(ledger, { event: 'request.admitted' })).map(({ requestId }) => requestId)).toEqual([
      'kept',
    ])
    const { firstBroken, notes } = await inspect.verify({ checkpoints: [checkpoint] })
    expect(firstBroken).toBeUndefined()
    expect(notes.join()).toContain('dropped by retention')
    await expect.poll(() => names).toEqual(['ledger.dropped'])
    // The next to open states a stream that has no block any more, and that verifies too.
    await (await open({ node: 'third' })).close()
    expect((await inspect.verify({})).firstBroken).toBeUndefined()
  })

  test('keeps the newest within so many bytes', async () => {
    const { open, sql, inspect } = await openLedgerSchema()
    const bytes = 300_000
    const { telemetry, names } = collectEvents()
    const ledger = await open({ retention: { bytes }, telemetry })
    for (let commit = 0; commit < 60; commit += 1)
      await Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          ledger.append(requestOf({ requestId: `${commit}-${index}` })),
        ),
      )
    const size = async (): Promise<number> =>
      Number((await sql('SELECT sum(octet_length(body) + 100) AS bytes FROM $schema.block'))[0]?.['bytes'])
    while ((await size()) > bytes) await sql('SELECT pg_sleep(0.05)')
    expect(await size()).toBeGreaterThan(bytes / 2)
    const [newest] = (await ledger.query({ limit: 1, order: 'newest', event: 'request.admitted' })).records
    expect(newest?.requestId?.startsWith('59-')).toBe(true)
    // Told once the blocks are gone.
    await expect.poll(() => names).toEqual(['ledger.dropped'])
    expect((await inspect.verify({})).firstBroken).toBeUndefined()
  })

  test('what was counted of dropped blocks is counted no more, also where only a part of them was', async () => {
    const { open, sql } = await openLedgerSchema()
    const time = { now: Date.UTC(2026, 10, 24) }
    const clock = (): number => time.now
    const options = { clock, monotonic: clock }
    const counted = async () => (await sql('SELECT until, bytes FROM $schema.counted_bytes'))[0]
    const one = await open({ ...options, retention: { bytes: 10_000_000 } })
    for (let commit = 0; commit < 3; commit += 1) await one.append(requestOf({ at: time.now }))
    while (Number((await counted())?.['until']) < 3) await sql('SELECT pg_sleep(0.05)')
    await one.close()
    const { until } = (await counted()) ?? {}
    time.now += hourMs
    const other = await open({ ...options, retention: { ageMs: 60_000 } })
    for (let commit = 0; commit < 3; commit += 1) await other.append(requestOf({ at: time.now }))
    time.now += hourMs
    await other.append(requestOf({ at: time.now }))
    while ((await readAll(other, { event: 'ledger.dropped' })).length === 0)
      await sql('SELECT pg_sleep(0.05)')
    const [left] = await sql('SELECT min(id) AS first FROM $schema.block')
    expect(Number(left?.['first'])).toBeGreaterThan(Number(until) + 1)
    expect(Number((await counted())?.['bytes'])).toBe(0)
  })

  test('a base that is not signed by the deployment is found', async () => {
    const { open, sql, inspect } = await openLedgerSchema()
    const ledger = await open()
    for (let commit = 0; commit < 3; commit += 1) await ledger.append(requestOf())
    const checkpoint = await ledger.checkpoint()
    await sql('DELETE FROM $schema.block WHERE first_seq <= 3')
    await sql('INSERT INTO $schema.base SELECT number, $1 FROM $schema.stream', [
      JSON.stringify({ ...checkpoint, type: 'modelward-base-1' }),
    ])
    expect((await inspect.verify({})).firstBroken?.kind).toBe('checkpoint_invalid')
  })
})
