import { describe, expect, onTestFinished, test } from 'vitest'
import { encodeEntry } from '../../src/ledger/format/encoding.ts'
import { openPostgresLedger } from '../../src/storage/postgres/ledger/ledger.ts'
import { collectEvents } from '../support/collect-events.ts'
import { encodeBlock, nextHash } from '../support/ledger-blocks.ts'
import { openTestSchema, unhurried } from '../support/services.ts'
import { addUp, checkChains, describeLedger, ledgerBegin, readAll, requestOf } from './ledger.contract.ts'
import { openLedgerSchema, signingKey } from './postgres-ledgers.ts'

describeLedger('PostgreSQL', async (key) => {
  const time = { now: ledgerBegin }
  const { url, drop } = await openTestSchema()
  const { connectTimeoutMs } = unhurried
  const clock = (): number => time.now
  const ledger = await openPostgresLedger({ url, signingKey: key, node: 'a', connectTimeoutMs, clock })
  onTestFinished(async () => {
    await ledger.close()
    await drop()
  })
  return { ledger, time }
})

const many = (count: number, name = 'r') =>
  Array.from({ length: count }, (_, index) => requestOf({ requestId: `${name}-${index}` }))

/** By which each commit has its two seconds, however long those before it have taken. */
const still = (): number => 0

describe('a ledger in PostgreSQL', () => {
  test('closed and opened again, tells of the stream before, which has its end', async () => {
    const { open, inspect } = await openLedgerSchema()
    const first = await open()
    await first.append(requestOf())
    await first.close()
    const { telemetry, names } = collectEvents()
    const second = await open({ telemetry })
    const records = await readAll(second)
    checkChains(records)
    const { stream, seq, hash } = records.findLast(({ event }) => event === 'ledger.closed') ?? {}
    const opened = records.findLast(({ event }) => event === 'ledger.opened')
    expect(opened?.detail).toEqual({ version: '1', before: [`${stream}:${seq}:${hash}`], unclosed: [] })
    expect(names).toEqual([])
    expect((await inspect.verify({})).firstBroken).toBeUndefined()
  })

  test('names the open stream of a node that is gone, and not that of one that is alive', async () => {
    const { open } = await openLedgerSchema()
    const streamOf = async (ledger: Awaited<ReturnType<typeof open>>) => (await ledger.checkpoint()).stream
    const alive = await open({ node: 'alive' })
    const gone = await open({ node: 'gone', liveNodes: async () => new Set(['alive']) })
    const { telemetry, events } = collectEvents()
    const third = await open({ node: 'third', liveNodes: async () => new Set(['alive', 'third']), telemetry })
    expect(events).toMatchObject([
      { name: 'ledger.unclean_start', fields: { streams: [await streamOf(gone)] } },
    ])
    const opened = (await readAll(third, { event: 'ledger.opened' })).at(-1)
    const told = [opened?.detail?.['before']].flat().map((head) => String(head).split(':')[0])
    expect(new Set(told)).toEqual(new Set([await streamOf(gone), await streamOf(alive)]))
  })

  test('tells of eight streams at most, and of those that died first of all', async () => {
    const { open, sql } = await openLedgerSchema()
    await (await open({ node: 'seed' })).close()
    await sql(`INSERT INTO $schema.stream (id, node, opened_at, written_at, seq, link, is_closed)
      SELECT md5('dead' || n), 'dead', n, n, 1, ''::bytea, false FROM generate_series(1, 20) n
      UNION ALL SELECT md5('live' || n), 'live', n, 1000 + n, 1, ''::bytea, false FROM generate_series(1, 20) n`)
    const last = await open({ node: 'last', liveNodes: async () => new Set(['live']), clock: () => 5 })
    const { before, unclosed } = (await readAll(last, { event: 'ledger.opened' })).at(-1)?.detail ?? {}
    expect([before, unclosed].map((list) => [list].flat().length)).toEqual([8, 5])
  })

  test('a checkpoint comes with every so many records, and is told', async () => {
    const reported: number[] = []
    const { open } = await openLedgerSchema()
    const ledger = await open({ checkpointRecords: 10, onCheckpoint: ({ seq }) => reported.push(seq) })
    await Promise.all(many(35).map(ledger.append))
    expect(reported).toEqual([1, 12, 23, 34])
    const records = await readAll(ledger, { event: 'ledger.checkpoint' })
    expect(records.map(({ seq }) => seq)).toEqual([2, 13, 24, 35])
  })

  test('a checkpoint comes with time, where something was recorded', async () => {
    const { promise, resolve } = Promise.withResolvers<number>()
    const { open } = await openLedgerSchema()
    const ledger = await open({ checkpointMs: 5, onCheckpoint: ({ seq }) => seq > 1 && resolve(seq) })
    await ledger.append(requestOf())
    expect(await promise).toBe(3)
  })

  test('records that no one block and no one statement holds are all there, in order', async () => {
    const { open, sql, inspect } = await openLedgerSchema()
    const ledger = await open({ monotonic: still })
    const large = { detail: { text: 'x'.repeat(1_900) } }
    await Promise.all(many(3_000).map((entry) => ledger.append({ ...entry, ...large })))
    const records = await readAll(ledger, { event: 'request.admitted' })
    expect(records.map(({ requestId }) => requestId)).toEqual(many(3_000).map(({ requestId }) => requestId))
    const [{ blocks } = {}] = await sql('SELECT count(*)::int AS blocks FROM $schema.block')
    expect(blocks).toBeGreaterThan(3_000 / 128)
    expect((await inspect.verify({})).firstBroken).toBeUndefined()
  })

  test('more entries than may wait are refused at once', async () => {
    const { open } = await openLedgerSchema()
    const ledger = await open({ monotonic: still })
    const settled = await Promise.allSettled(many(65_540).map(ledger.append))
    expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(4)
    expect(settled.at(-1)).toMatchObject({ reason: { name: 'Fault', code: 'ledger_unavailable' } })
  })

  test('closing waits for what was appended', async () => {
    const { open, inspect } = await openLedgerSchema()
    const ledger = await open()
    const appends = Promise.all(many(300).map(ledger.append))
    await ledger.close()
    await appends
    const reader = await inspect.openReader()
    expect(await readAll(reader, { event: 'request.admitted' })).toHaveLength(300)
    await reader.close()
  })

  test('a stream for each commit: whole, signed, and verified', async () => {
    const { open, inspect } = await openLedgerSchema()
    const server = await open({ node: 'server' })
    await server.append(requestOf())
    const seqs: number[] = []
    const command = await open({ streamPerCommit: true, onCheckpoint: ({ seq }) => seqs.push(seq) })
    await command.append(requestOf({ event: 'key.revoked' }))
    await command.close()
    expect(seqs).toEqual([2])
    const heads = await inspect.readHeads()
    expect(heads.map(({ event }) => event)).toEqual(['ledger.closed', 'request.admitted'])
    expect((await inspect.verify({})).firstBroken).toBeUndefined()
  })

  test('keeps how far the keys have come by the records, and tells keys that are older', async () => {
    const { open, sql, inspect } = await openLedgerSchema()
    const ledger = await open()
    await ledger.append(requestOf({ event: 'key.created', detail: { change: 7 } }))
    await ledger.append(requestOf({ event: 'key.updated', detail: { change: 6 } }))
    expect(await sql('SELECT change::int FROM $schema.recorded_change')).toEqual([{ change: 7 }])
    await sql(`INSERT INTO $schema.changes VALUES (1, 7, 7, '')`)
    expect((await inspect.verify({})).firstBroken).toBeUndefined()
    await sql('UPDATE $schema.changes SET number = 6')
    expect((await inspect.verify({})).firstBroken?.kind).toBe('keys_older')
  })

  test('four write at once: every record is there once, each stream has its chain', async () => {
    const { open, inspect } = await openLedgerSchema()
    const ledgers = await Promise.all(['a', 'b', 'c', 'd'].map((node) => open({ node })))
    await Promise.all(
      ledgers.map(async (ledger, index) => {
        const entries = many(1_000, `n${index}`)
        for (let at = 0; at < entries.length; at += 40)
          await Promise.all(entries.slice(at, at + 40).map(ledger.append))
      }),
    )
    const [first] = ledgers
    if (first === undefined) return
    const records = await readAll(first)
    checkChains(records)
    const ids = records.flatMap(({ requestId }) => requestId ?? [])
    expect([ids.length, new Set(ids).size]).toEqual([4_000, 4_000])
    expect(await readAll(first, { order: 'newest' })).toEqual(records.toReversed())
    expect(await first.usage({ by: ['key', 'day'] })).toEqual(addUp(records, { by: ['key', 'day'] }))
    expect((await inspect.verify({})).firstBroken).toBeUndefined()
  })
})

describe('readers beside writers', () => {
  test('one that goes forward misses no block that is committed behind one of a higher number', async () => {
    const { open, connect, schema } = await openLedgerSchema()
    const ledger = await open()
    await ledger.append(requestOf({ requestId: 'before' }))
    const query = { limit: 1_000, order: 'oldest', event: 'request.admitted' } as const
    const first = await ledger.query(query)
    expect(first.records).toHaveLength(1)
    // Another node's commit that has its number, and is not visible yet.
    const other = await open({ node: 'other' })
    await other.append(requestOf({ requestId: 'other' }))
    const { records } = await ledger.query({ ...query, after: first.next })
    const late = await connect()
    await late.query('BEGIN')
    await late.query(`UPDATE ${schema}.block SET body = body WHERE id = 0`)
    await late.query(
      `INSERT INTO ${schema}.block (stream, first_seq, count, min_at, max_at, body)
       SELECT stream, first_seq, count, min_at, max_at, body FROM ${schema}.block WHERE id = $1`,
      [Number(records[0]?.position.split('.')[0])],
    )
    await ledger.append(requestOf({ requestId: 'behind' }))
    const seen = await ledger.query({ ...query, after: first.next })
    expect(seen.records.map(({ requestId }) => requestId)).toEqual(['other'])
    // Whoever asks for the newest sees what is committed.
    expect((await ledger.query({ limit: 1, order: 'newest' })).records[0]?.requestId).toBe('behind')
    await late.query('COMMIT')
    const after = await ledger.query({ ...query, after: seen.next })
    expect(after.records.map(({ requestId }) => requestId)).toEqual(['other', 'behind'])
  })
})

describe('the fence', () => {
  test('a commit that comes late does no harm, whoever is first', async () => {
    const { open, sql, inspect } = await openLedgerSchema()
    const { telemetry, names } = collectEvents()
    const ledger = await open({ telemetry })
    await ledger.append(requestOf({ requestId: 'one' }))
    const [row] = await sql('SELECT number, seq, link FROM $schema.stream')
    await ledger.append(requestOf({ requestId: 'two' }))
    // As a connection that was given up delivers it, with both ways to commit.
    const [written] = await sql(
      `SELECT $schema.commit_block_1($1, $2, $2::bigint + 1, $3, 1, false, $2::bigint + 1, 1, 1, 1, '') AS written`,
      [row?.['number'], row?.['seq'], row?.['link']],
    )
    expect(written).toEqual({ written: false })
    await Promise.all(many(300).map(ledger.append))
    const records = await readAll(ledger)
    checkChains(records)
    expect(records).toHaveLength(304)
    expect((await inspect.verify({})).firstBroken).toBeUndefined()
    expect(names).toEqual([])
  })

  test('where the head has moved on, the writer goes on from there', async () => {
    const { open, sql, inspect } = await openLedgerSchema()
    const ledger = await open()
    await ledger.append(requestOf({ requestId: 'one' }))
    const [row] = await sql('SELECT number, seq, link FROM $schema.stream')
    const [number, seq, link] = [row?.['number'], Number(row?.['seq']), row?.['link']]
    // A commit that was given up, and came in time after all.
    const entry = encodeEntry(requestOf({ requestId: 'late' }))
    const chainHash = nextHash(link as Buffer, seq + 1, entry)
    const values = [number, seq, chainHash, ledgerBegin, encodeBlock([{ entry, chainHash }])]
    const [written] = await sql(
      `SELECT $schema.commit_block_1($1, $2, $2::bigint + 1, $3, $4, false, $2::bigint + 1, 1, $4, $4, $5) AS written`,
      values,
    )
    expect(written).toEqual({ written: true })
    await ledger.append(requestOf({ requestId: 'two' }))
    const ids = (await readAll(ledger)).map(({ requestId }) => requestId)
    expect(ids).toEqual([null, null, 'one', 'late', 'two'])
    expect((await inspect.verify({})).firstBroken).toBeUndefined()
  })

  test('a database that was put back begins a stream of its own', async () => {
    const { open, sql, inspect } = await openLedgerSchema()
    const ledger = await open()
    const [before] = await sql('SELECT seq, link FROM $schema.stream')
    await ledger.append(requestOf({ requestId: 'lost' }))
    const checkpoint = await ledger.checkpoint()
    // As a backup from before does.
    await sql('DELETE FROM $schema.block WHERE first_seq > 2')
    await sql('UPDATE $schema.stream SET seq = $1, link = $2', [before?.['seq'], before?.['link']])
    await ledger.append(requestOf({ requestId: 'next' }))
    const records = await readAll(ledger)
    checkChains(records)
    expect(new Set(records.map(({ stream }) => stream)).size).toBe(2)
    expect((await inspect.verify({})).firstBroken).toBeUndefined()
    // What was stored elsewhere tells that records are gone.
    expect((await inspect.verify({ checkpoints: [checkpoint] })).firstBroken?.kind).toBe('tail_missing')
  })

  test('commits that are not durable are refused, and said so, until they are', async () => {
    const { sql, schema, url } = await openLedgerSchema()
    const role = `${schema}_role`
    await sql(`CREATE ROLE ${role} LOGIN PASSWORD 'known'`)
    onTestFinished(async () => {
      await sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    })
    await sql(`GRANT USAGE ON SCHEMA $schema TO ${role}`)
    await sql(`GRANT ALL ON ALL TABLES IN SCHEMA $schema TO ${role}`)
    await sql(`ALTER ROLE ${role} SET synchronous_commit = off`)
    const asRole = new URL(url)
    asRole.username = role
    asRole.password = 'known'
    const { telemetry, events } = collectEvents()
    const ledger = await openPostgresLedger({ url: asRole.href, signingKey, node: 'one', telemetry })
    onTestFinished(() => ledger.close())
    await expect(ledger.append(requestOf())).rejects.toMatchObject({ code: 'ledger_unavailable' })
    await expect(ledger.ensureWritable()).rejects.toMatchObject({ code: 'ledger_unavailable' })
    expect(await sql('SELECT * FROM $schema.block')).toEqual([])
    expect(String(events[0]?.cause)).toContain('synchronous_commit is off')
    await sql(`ALTER ROLE ${role} RESET synchronous_commit`)
    // Settings of a role come with a new connection, which a server's restart brings.
    await sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [role])
    while (ledger.isStalled()) await new Promise((resolve) => setImmediate(resolve))
    await ledger.append(requestOf())
    // And where it comes about while the ledger is written.
    const [before] = await sql('SELECT max(id) AS block FROM $schema.block')
    await sql(`ALTER ROLE ${role} SET synchronous_commit = off`)
    const cut = 'SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1'
    const pids = (await sql(cut, [role])).map(({ pid }) => pid)
    // So the next commit goes to a new connection, without one that failed before it.
    const left = 'SELECT pid FROM pg_stat_activity WHERE pid = ANY($1::int[])'
    while ((await sql(left, [pids])).length > 0);
    await sql('SELECT 1')
    for (let tries = 0; tries < 20; tries += 1)
      await expect(ledger.append(requestOf())).rejects.toMatchObject({ code: 'ledger_unavailable' })
    expect(await sql('SELECT max(id) AS block FROM $schema.block')).toEqual([before])
    const told = events.map(({ name }) => name).filter((name) => name !== 'ledger.maintenance_failed')
    expect(told).toEqual(['ledger.unreachable', 'ledger.back', 'ledger.unreachable'])
  })
})
