import { existsSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { processScheduler, type Scheduler } from '../../src/core/scheduler.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { openDatabase } from '../../src/storage/sqlite/driver.ts'
import { openSqliteLedger, type SqliteLedgerOptions } from '../../src/storage/sqlite/ledger/ledger.ts'
import { openSqliteLedgerReader } from '../../src/storage/sqlite/ledger/reader.ts'
import { createTelemetry, type OperationalEvent } from '../../src/telemetry/telemetry.ts'
import { collectEvents } from '../support/collect-events.ts'
import { createMemoryLedger } from '../support/memory-ledger.ts'
import { startProcess } from './child-process.ts'
import {
  addUp,
  checkChains,
  createSigningKey,
  describeLedger,
  ledgerBegin,
  readAll,
  requestOf,
} from './ledger.contract.ts'
import { fillDisk, mountSmallDisk } from './small-disk.ts'
import { createTemporaryFolder } from './temporary-folder.ts'
import { watchThreads } from './watch-threads.ts'

const unavailable = { name: 'Fault', code: 'ledger_unavailable' }
const signingKey = createSigningKey()

describeLedger('memory', async (key) => {
  const time = { now: ledgerBegin }
  return { ledger: createMemoryLedger({ signingKey: key, clock: () => time.now }), time }
})

describeLedger('SQLite', async (key) => {
  const time = { now: ledgerBegin }
  return { ledger: await openLedger({ signingKey: key, clock: () => time.now }), time }
})

async function openLedger(options: Partial<SqliteLedgerOptions> = {}): Promise<Ledger> {
  const file = options.file ?? join(createTemporaryFolder(), 'ledger.db')
  const ledger = await openSqliteLedger({ signingKey, ...options, file })
  onTestFinished(() => ledger.close().catch(() => undefined))
  return ledger
}

function inFolder(): string {
  return join(createTemporaryFolder(), 'ledger.db')
}

describe('a ledger in SQLite', () => {
  test('is readable by its owner alone', async () => {
    const file = inFolder()
    await openLedger({ file })
    for (const suffix of ['', '-wal', '-shm']) expect(statSync(`${file}${suffix}`).mode & 0o777).toBe(0o600)
  })

  test('opened again, begins a stream that tells of those before it, and of the one that has no end', async () => {
    const file = inFolder()
    const first = await openSqliteLedger({ file, signingKey })
    await first.append(requestOf())
    await first.close()
    const second = startProcess('append-records', file, 'second')
    await second.waitForLines(1)
    await second.kill()
    const { telemetry, events } = collectEvents()
    const third = await openLedger({ file, telemetry })
    const records = await readAll(third)
    checkChains(records)
    const streams = [...new Set(records.map(({ stream }) => stream))]
    const lastOf = (stream: string | undefined): string => {
      const { seq, hash } = records.findLast((record) => record.stream === stream) ?? {}
      return `${stream}:${seq}:${hash}`
    }
    const opened = records.find(({ stream, event }) => stream === streams[2] && event === 'ledger.opened')
    expect(opened?.detail).toEqual({
      version: '1',
      before: [lastOf(streams[1]), lastOf(streams[0])],
      unclosed: [streams[1]],
    })
    expect(events).toMatchObject([{ name: 'ledger.unclean_start', fields: { streams: [streams[1]] } }])
    expect(records.filter(({ stream }) => stream === streams[0]).map(({ event }) => event)).toEqual([
      'ledger.opened',
      'ledger.checkpoint',
      'request.admitted',
      'ledger.checkpoint',
      'ledger.closed',
    ])
  })

  test('emptied under the ledger, records nothing that would be lost', async () => {
    const file = inFolder()
    const ledger = await openLedger({ file })
    await ledger.append(requestOf())
    truncateSync(file)
    await expect(ledger.append(requestOf())).rejects.toMatchObject({ code: 'ledger_unavailable' })
  })

  test('does not keep an answer waiting for a disk that does not answer, and goes on once it does', async () => {
    const file = inFolder()
    let isSlow = false
    let waiting: Promise<void> | undefined
    const scheduler: Scheduler = {
      ...processScheduler,
      after(ms, run) {
        if (!isSlow) return processScheduler.after(ms, run)
        // All of the time passes before the disk can answer, and an entry waits behind the commit.
        waiting = ledger.append(requestOf({ requestId: 'behind' }))
        run()
        return () => {}
      },
    }
    const { telemetry, events } = collectEvents()
    const ledger: Ledger = await openLedger({ file, scheduler, telemetry })
    const refused = { ...unavailable, message: 'ledger: the disk has not answered for 5 s' }
    // The writer waits for this lock as for a disk.
    const disk = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 100 })
    disk.exec('BEGIN IMMEDIATE')
    isSlow = true
    await expect(ledger.append(requestOf({ requestId: 'late' }))).rejects.toMatchObject(refused)
    isSlow = false
    await expect(waiting).rejects.toMatchObject(refused)
    await expect(ledger.append(requestOf({ requestId: 'behind' }))).rejects.toMatchObject(refused)
    await expect(ledger.checkpoint()).rejects.toMatchObject(refused)
    disk.exec('ROLLBACK')
    disk.close()
    // Whether it was written was unknown: the disk was slow, and it was.
    while (ledger.isStalled?.()) await new Promise((resolve) => setImmediate(resolve))
    await ledger.checkpoint()
    expect(await readAll(ledger, { requestId: 'late' })).toHaveLength(1)
    await ledger.append(requestOf({ requestId: 'next' }))
    expect(await readAll(ledger, { requestId: 'behind' })).toEqual([])
    expect(events.map(({ name }) => name)).toEqual(['ledger.unreachable', 'ledger.back'])
    checkChains(await readAll(ledger))
  })

  test('a checkpoint comes with every so many records, and is told', async () => {
    const reported: number[] = []
    const ledger = await openLedger({ checkpointRecords: 10, onCheckpoint: ({ seq }) => reported.push(seq) })
    await Promise.all(Array.from({ length: 35 }, () => ledger.append(requestOf())))
    expect(reported).toEqual([1, 12, 23, 34])
    const records = await readAll(ledger, { event: 'ledger.checkpoint' })
    expect(records.map(({ seq }) => seq)).toEqual([2, 13, 24, 35])
  })

  test('a checkpoint comes with time, where something was recorded', async () => {
    const { promise, resolve } = Promise.withResolvers<number>()
    const ledger = await openLedger({
      checkpointMs: 5,
      onCheckpoint: ({ seq }) => seq > 1 && resolve(seq),
    })
    await ledger.append(requestOf())
    expect(await promise).toBe(3)
  })

  test('more entries than may wait are refused at once', async () => {
    const ledger = await openLedger()
    const settled = await Promise.allSettled(Array.from({ length: 65_540 }, () => ledger.append(requestOf())))
    expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(4)
    expect(settled.at(-1)).toMatchObject({ reason: unavailable })
    const [last] = (await ledger.query({ limit: 1, order: 'newest' })).records
    expect(last?.seq).toBeGreaterThanOrEqual(65_538)
  })

  test('closing waits for what was appended', async () => {
    const file = inFolder()
    const ledger = await openSqliteLedger({ file, signingKey })
    const appends = Promise.all(Array.from({ length: 300 }, () => ledger.append(requestOf())))
    await ledger.close()
    await appends
    const reader = await openSqliteLedgerReader({ file })
    expect(await readAll(reader, { event: 'request.admitted' })).toHaveLength(300)
    await reader.close()
  })

  test('what retention drops is recorded, and reading goes on from what is left', async () => {
    const time = { now: ledgerBegin }
    const clock = () => time.now
    const ledger = await openLedger({ clock, monotonic: clock, retention: { ageMs: 60_000 } })
    await Promise.all(Array.from({ length: 300 }, () => ledger.append(requestOf())))
    await ledger.append(requestOf({ at: time.now + 3_600_000 }))
    time.now += 3_600_000
    const findDropped = async () =>
      (await ledger.query({ limit: 1, order: 'newest', event: 'ledger.dropped' })).records
    let dropped = await findDropped()
    while (dropped.length === 0) dropped = await findDropped()
    expect(dropped).toMatchObject([{ at: time.now, detail: { records: 302 } }])
    const [left] = await readAll(ledger)
    expect(left).toMatchObject({ seq: 303, at: time.now })
  })

  test('a clock that leaps ahead drops nothing, and is reported', async () => {
    const time = { now: ledgerBegin }
    const { promise: reported, resolve: tell } = Promise.withResolvers<OperationalEvent>()
    const file = inFolder()
    const ledger = await openLedger({
      file,
      clock: () => time.now,
      monotonic: () => 0,
      retention: { ageMs: 60_000 },
      telemetry: createTelemetry([(event) => event.name === 'ledger.clock_jumped' && tell(event)]),
    })
    await ledger.append(requestOf())
    time.now += 3_600_000
    await ledger.append(requestOf({ at: time.now }))
    expect(await reported).toMatchObject({ name: 'ledger.clock_jumped', fields: { seconds: 3_600 } })
    // The turn that told it ends before the ledger is closed.
    await ledger.close()
    const reader = await openSqliteLedgerReader({ file })
    const records = await readAll(reader)
    await reader.close()
    expect(records.slice(0, 3).map(({ event }) => event)).toEqual([
      'ledger.opened',
      'ledger.checkpoint',
      'request.admitted',
    ])
  })

  test('a file that is no ledger is not touched', async () => {
    const file = inFolder()
    writeFileSync(file, 'no database '.repeat(100))
    await expect(openLedger({ file })).rejects.toMatchObject({ code: 'data_corrupt' })
    rmSync(file)
    const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 100 })
    database.exec('CREATE TABLE other (a)')
    await expect(openLedger({ file })).rejects.toMatchObject({ code: 'data_corrupt' })
    database.exec('DROP TABLE other; PRAGMA user_version = 99')
    await expect(openLedger({ file })).rejects.toMatchObject({ code: 'data_newer' })
    await expect(openSqliteLedgerReader({ file })).rejects.toMatchObject({ code: 'data_newer' })
    database.close()
    const missing = join(createTemporaryFolder(), 'no', 'ledger.db')
    await expect(openLedger({ file: missing })).rejects.toMatchObject({ code: 'data_missing' })
    await expect(openSqliteLedgerReader({ file: inFolder() })).rejects.toMatchObject({ name: 'SetupError' })
  })
})

describe('a ledger in SQLite and several processes', () => {
  test('two write one file at once: every record is there, each stream has its chain', async () => {
    const file = inFolder()
    const children = ['a', 'b'].map((name) => startProcess('append-records', file, name, '2000'))
    const reported = (await Promise.all(children.map(({ ended }) => ended))).flat()
    expect(reported).toHaveLength(4_000)
    const reader = await openSqliteLedgerReader({ file })
    const records = await readAll(reader)
    await reader.close()
    checkChains(records)
    expect(new Set(records.map(({ stream }) => stream)).size).toBe(2)
    expect(new Set(records.map(({ requestId }) => requestId ?? ''))).toEqual(new Set(['', ...reported]))
  })

  test('kill -9 at any moment: every record that was promised is there once, and the chain is whole', async () => {
    const file = inFolder()
    const reported: string[] = []
    for (const [round, lines] of [1, 200, 777].entries()) {
      const child = startProcess('append-records', file, `${round}`)
      await child.waitForLines(lines)
      reported.push(...(await child.kill()).filter((line) => /^\d-\d+$/.test(line)))
    }
    const reader = await openSqliteLedgerReader({ file })
    const records = await readAll(reader)
    const usage = await reader.usage({ by: ['key', 'day'] })
    await reader.close()
    expect(usage).toEqual(addUp(records, { by: ['key', 'day'] }))
    checkChains(records)
    const ids = records.flatMap(({ requestId }) => requestId ?? [])
    expect(new Set(ids).size).toBe(ids.length)
    const kept = new Set(ids)
    expect(reported.filter((id) => !kept.has(id))).toEqual([])
  })
})

describe('a ledger in SQLite in trouble', () => {
  test('a disk that is full is a fault, and the ledger goes on by itself once there is room', async (context) => {
    const folder = createTemporaryFolder()
    if (!mountSmallDisk(folder)) return context.skip('mounting a small disk takes root')
    const ledger = await openLedger({ file: join(folder, 'ledger.db') })
    let promised = 0
    await ledger.append(requestOf()).then(() => promised++)
    fillDisk(join(folder, 'filler'))
    let fault: unknown
    for (let tries = 0; fault === undefined && tries < 5_000; tries += 1)
      await ledger.append(requestOf()).then(
        () => promised++,
        (reason) => {
          fault = reason
        },
      )
    expect(fault).toMatchObject(unavailable)
    await expect(ledger.append(requestOf())).rejects.toMatchObject(unavailable)
    rmSync(join(folder, 'filler'))
    await ledger.append(requestOf()).then(() => promised++)
    const records = await readAll(ledger)
    checkChains(records)
    expect(records.filter(({ event }) => event === 'request.admitted')).toHaveLength(promised)
  })

  test('a file that another holds locked is a fault for every entry that waits, and then it is not', async () => {
    const file = inFolder()
    const ledger = await openLedger({ file })
    const other = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 100 })
    other.exec('BEGIN IMMEDIATE')
    const settled = await Promise.allSettled([1, 2, 3].map(() => ledger.append(requestOf())))
    expect(settled).toMatchObject([1, 2, 3].map(() => ({ status: 'rejected', reason: unavailable })))
    other.exec('ROLLBACK')
    other.close()
    await ledger.append(requestOf())
    const records = await readAll(ledger)
    checkChains(records)
    expect(records).toHaveLength(3)
  })

  test('a file that was moved away is a fault until it is back', async () => {
    const file = inFolder()
    const { telemetry, names } = collectEvents()
    const ledger = await openLedger({ file, telemetry })
    renameSync(file, `${file}.away`)
    await expect(ledger.append(requestOf())).rejects.toMatchObject(unavailable)
    await expect(ledger.append(requestOf())).rejects.toMatchObject(unavailable)
    expect(existsSync(file)).toBe(false)
    renameSync(`${file}.away`, file)
    await ledger.append(requestOf())
    await ledger.append(requestOf())
    // Once each, however many appends failed or succeeded. Maintenance may report its own.
    expect(names.filter((name) => name !== 'ledger.maintenance_failed')).toEqual([
      'ledger.unreachable',
      'ledger.back',
    ])
    expect(await readAll(ledger)).toHaveLength(4)
  })

  test('a writing thread that ends in the middle is a fault, and the next begins a stream of its own', async () => {
    const file = inFolder()
    const threads = watchThreads()
    const { telemetry, events } = collectEvents()
    const writer = await openLedger({ file, telemetry })
    const append = (): Promise<void> => writer.append(requestOf())
    await append()
    const lost = Promise.allSettled([append(), append()])
    await threads[0]?.terminate()
    // Both may have been committed before it ended: then they are there.
    const kept = (await lost).filter(({ status }) => status === 'fulfilled').length
    await append()
    await writer.close()
    const reader = await openSqliteLedgerReader({ file })
    const records = await readAll(reader)
    await reader.close()
    checkChains(records)
    expect(new Set(records.map(({ stream }) => stream)).size).toBe(2)
    expect(records.filter(({ event }) => event === 'request.admitted').length).toBeGreaterThanOrEqual(
      2 + kept,
    )
    // `ledger.unreachable` too, if an append was lost.
    expect(events).toContainEqual(
      expect.objectContaining({ name: 'ledger.thread_restarted', fields: { thread: 'writer' } }),
    )
  })
})
