import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { JobChange } from '../../src/jobs/job-queue.ts'
import { createCallQueue } from '../../src/storage/group-commit/call-queue.ts'
import type { JobStore } from '../../src/storage/job-store.ts'
import { readValue, type SqliteDatabase } from '../../src/storage/sqlite/database.ts'
import { openDatabase } from '../../src/storage/sqlite/driver.ts'
import type { JobThreadCalls } from '../../src/storage/sqlite/jobs/job-calls.ts'
import { openJobDatabase } from '../../src/storage/sqlite/jobs/job-database.ts'
import { createJobReads } from '../../src/storage/sqlite/jobs/job-reader.ts'
import { jobApplicationId, jobSteps } from '../../src/storage/sqlite/jobs/job-schema.ts'
import { openSqliteJobStore } from '../../src/storage/sqlite/jobs/job-store.ts'
import { createJobWrites } from '../../src/storage/sqlite/jobs/job-writer.ts'
import { createRestartingThread } from '../../src/storage/sqlite/threads/restarting-thread.ts'
import { createTestTime } from '../support/test-time.ts'
import { startProcess } from './child-process.ts'
import {
  acceptedOf,
  askOf,
  claim,
  endJob,
  find,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  submit,
  wide,
} from './job-fixtures.ts'
import { fillDisk, mountSmallDisk } from './small-disk.ts'
import { createTemporaryFolder } from './temporary-folder.ts'
import { watchThreads } from './watch-threads.ts'

const unavailable = { name: 'Fault', code: 'store_unavailable' }

describe('jobs in SQLite', () => {
  test('are readable by their owner alone', async () => {
    const { file, store } = await openStore()
    await store.countJobs()
    for (const suffix of ['', '-wal', '-shm']) expect(statSync(`${file}${suffix}`).mode & 0o777).toBe(0o600)
  })

  test('a call that fails leaves those that share its commit alone', async () => {
    const { store } = await openStore()
    await submit(store, jobOf(1))
    const calls = [2, 1, 3].map((number) =>
      store.submit({ jobs: [jobOf(number + 10), jobOf(number)], bounds: wide }),
    )
    const outcomes = await Promise.allSettled(calls)
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    const { jobs } = await store.listJobs({ limit: 100, now: jobBegin })
    expect(jobs.map(({ id }) => id)).toEqual([13, 12, 3, 2, 1].map(jobId))
    expect(await store.countJobs()).toEqual({ queued: 5, running: 0 })
  })

  test('two stores share one file, as two processes do: each sees what the other did, and no job is held twice', async () => {
    const { file, store } = await openStore()
    const { store: other } = await openStore(file)
    await Promise.all([submit(store, jobOf(1), jobOf(2)), submit(other, jobOf(3), jobOf(4))])
    const claims = [store, other, store, other].map((of) => claim(of, { max: 1 }))
    const claimed = (await Promise.all(claims)).flat().map(({ id }) => id)
    expect(claimed.toSorted()).toEqual([1, 2, 3, 4].map(jobId))
    expect((await other.cancel({ id: jobId(1) }, jobBegin, keepMs))?.cancelled).toBe(true)
    expect((await find(store, 1))?.status).toBe('cancelled')
  })

  test('a watcher hears that another process has committed, and is not told of its own commits twice', async () => {
    const file = join(createTemporaryFolder(), 'jobs.db')
    const time = createTestTime()
    const store = await openSqliteJobStore({ file, scheduler: time.scheduler })
    onTestFinished(() => store.close())
    const changes: JobChange[] = []
    const stop = store.watch((change) => void changes.push(change))
    // One timer gives space back, and a second is there between two looks.
    const polled = async (): Promise<void> => {
      while (time.timers() === 1) await time.settle()
      await time.pass(200)
      while (time.timers() === 1) await time.settle()
    }
    await polled()
    await submit(store, jobOf(2))
    await polled()
    expect(changes.map(({ jobs }) => jobs.map(({ id }) => id))).toEqual([[jobId(2)]])
    await startProcess('submit-job', file).ended
    await polled()
    expect(changes.slice(1)).toEqual([{ jobs: [], isDue: true }])
    expect(await find(store, 1)).toMatchObject({ status: 'queued' })
    await polled()
    expect(changes).toHaveLength(2)
    stop()
    expect(time.timers()).toBe(0)
  })

  test('every look-up is by an index, and nothing is sorted', async () => {
    const database = openJobDatabase(join(createTemporaryFolder(), 'jobs.db'))
    onTestFinished(() => database.close())
    const { recording, statements } = recordStatements(database)
    createJobWrites(recording, { note: () => {}, noteReady: () => {} })
    createJobReads(recording)
    const plans = statements.flatMap((sql) => planOf(database, sql).map((step) => ({ sql, step })))
    expect(plans.length).toBeGreaterThan(50)
    // `MERGE` and `SCAN … subquery` read sorted rows; all deliveries are listed from their end, and
    // of each state so many jobs are counted.
    const scans = plans.filter(({ step }) => /^SCAN (?!CONSTANT)|TEMP B-TREE/.test(step))
    const isWholeList = ({ sql }: { sql: string }) => /FROM deliveries\s+ORDER BY place DESC LIMIT/.test(sql)
    const isAtStart = ({ sql }: { sql: string }) => /^DELETE FROM answers .* held_by LIKE/.test(sql)
    const isCount = (sql: string): boolean => sql.startsWith('SELECT queued, running,')
    const isBoundedCount = ({ sql, step }: { sql: string; step: string }) =>
      step.startsWith('SCAN (subquery') && isCount(sql)
    // Without a bound a count is a look-up too, of as many rows as there are.
    const counts = statements.filter(isCount).map((sql) => sql.split('LIMIT 1000').length - 1)
    expect(counts).toEqual([3])
    expect(scans.filter((scan) => !isWholeList(scan) && !isAtStart(scan) && !isBoundedCount(scan))).toEqual(
      [],
    )
  })

  test('a file of version 1 is brought up: what was `parked` is dead, with its inputs and its deliveries', async () => {
    const file = join(createTemporaryFolder(), 'jobs.db')
    createVersion1(file)
    const { store } = await openStore(file)
    expect(await find(store, 1)).toMatchObject({ status: 'dead', error: { code: 'lost' } })
    expect(await find(store, 1), 'its progress was stored nowhere').toMatchObject({ done: 0, result: null })
    expect(await find(store, 2)).toMatchObject({ status: 'succeeded', result: '"good"' })
    expect(await find(store, 4)).toMatchObject({ status: 'succeeded', done: 2, result: '["é","b"]' })
    expect((await store.listJobs({ status: 'dead', limit: 10, now: jobBegin })).jobs).toHaveLength(1)
    const [delivery] = await store.listDeliveries({ limit: 10 })
    expect(delivery?.job).toMatchObject({ id: jobId(1), status: 'dead' })
    expect((await store.retry({ id: jobId(1) }, jobBegin))?.retried).toBe(true)
    expect(await store.countJobs()).toEqual({ queued: 2, running: 0 })
    const claimed = await claim(store)
    expect(claimed.map(({ id, inputs }) => [id, inputs])).toEqual([
      [jobId(1), '["text 1"]'],
      [jobId(3), '["text 3"]'],
    ])
    const database = openOther(file)
    expect(database.prepare('PRAGMA foreign_key_check').all()).toEqual([])
    expect(readValue(database, 'PRAGMA integrity_check')).toBe('ok')
    expect(schemaOf(database)).toEqual(schemaOf(openOther((await openStore()).file)))
  })

  test('space that expiry frees goes back to the disk within seconds, but for what new jobs use', async () => {
    const file = join(createTemporaryFolder(), 'jobs.db')
    const time = createTestTime()
    const store = await openSqliteJobStore({ file, scheduler: time.scheduler })
    onTestFinished(() => store.close())
    store.watch(() => undefined)
    const inputs = JSON.stringify(['x'.repeat(9_000)])
    const numbers = Array.from({ length: 2_000 }, (_, number) => number)
    await submit(store, ...numbers.map((number) => jobOf(number, { inputs })))
    for (const number of numbers) void store.cancel({ id: jobId(number) }, jobBegin, keepMs)
    while ((await store.forgetExpired(jobBegin + keepMs, 500)) > 0);
    const pages = pageCounter(file)
    expect(pages()).toBeGreaterThan(4_000)
    // No more turns than there are in a minute, and each with as much time as it needs.
    for (let second = 0; second < 60 && pages() > 2_200; second += 1) {
      await time.pass(1_000)
      await store.forgetExpired(jobBegin, 1)
    }
    expect(pages()).toBeLessThan(2_200)
    expect(pages(), 'stay for new jobs').toBeGreaterThan(2_048)
    expect(statSync(file).size, 'and the file is as short').toBe(pages() * 4_096)
  })
})

describe('jobs in SQLite in trouble', () => {
  test('a lock held too long is a fault for all that wait; reads go on, and once it is free so do writes', async () => {
    const { file, store } = await openStore()
    await submit(store, jobOf(1))
    const other = openOther(file)
    other.exec('BEGIN IMMEDIATE')
    const calls = [2, 3].map((number) => store.submit({ jobs: [jobOf(number)], bounds: wide }))
    for (const { status } of await Promise.allSettled(calls)) expect(status).toBe('rejected')
    await expect(calls[0]).rejects.toMatchObject(unavailable)
    expect(await find(store, 1)).toBeDefined()
    other.exec('COMMIT')
    expect(await find(store, 2)).toBeUndefined()
    await submit(store, jobOf(2))
  })

  test('a full disk refuses jobs whole, reads go on, and they are taken once there is room', async (context) => {
    const folder = createTemporaryFolder()
    if (!mountSmallDisk(folder)) return context.skip('mounting a small disk takes root')
    const { store } = await openStore(join(folder, 'jobs.db'))
    await submit(store, jobOf(0))
    const filler = join(folder, 'filler')
    fillDisk(filler)
    const many = Array.from({ length: 400 }, (_, number) => jobOf(number + 1))
    await expect(store.submit({ jobs: many, bounds: wide })).rejects.toMatchObject(unavailable)
    expect(await find(store, 0)).toBeDefined()
    expect(await find(store, 1)).toBeUndefined()
    rmSync(filler)
    await submit(store, ...many)
    expect(await store.countJobs()).toEqual({ queued: 401, running: 0 })
  })

  for (const suffix of ['', '-wal'])
    test(`jobs.db${suffix} moved away is a fault, not silence; moved back, all works again`, async () => {
      const { file, store } = await openStore()
      await submit(store, jobOf(1))
      await store.countJobs()
      renameSync(`${file}${suffix}`, `${file}.aside`)
      await expect(store.submit({ jobs: [jobOf(2)], bounds: wide })).rejects.toThrow(
        /was deleted while in use/,
      )
      await expect(store.claim(askOf())).rejects.toMatchObject(unavailable)
      await expect(find(store, 1)).rejects.toMatchObject(unavailable)
      renameSync(`${file}.aside`, `${file}${suffix}`)
      await submit(store, jobOf(2))
      expect(await store.countJobs()).toEqual({ queued: 2, running: 0 })
    })

  test('a thread that ends is a fault for callers that wait, and the next call starts another', async () => {
    const file = join(createTemporaryFolder(), 'jobs.db')
    const threads = watchThreads()
    let restarts = 0
    const thread = createRestartingThread<JobThreadCalls>({
      startWorker: (options) =>
        new Worker(new URL('../../src/storage/sqlite/jobs/job-thread.ts', import.meta.url), options),
      data: { role: 'writer', file },
      store: 'jobs',
      role: 'writer',
      faultCode: 'store_unavailable',
      onRestart: () => {
        restarts += 1
      },
    })
    onTestFinished(async () => void (await thread.close(undefined)))
    await thread.ask('open', undefined)
    // Told to end before it can answer.
    const ending = threads[0]?.terminate()
    await expect(thread.ask('open', undefined)).rejects.toMatchObject(unavailable)
    await ending
    await thread.ask('open', undefined)
    expect(restarts).toBe(1)
  })
})

describe('opening jobs in SQLite', () => {
  const codeOf = async (file: string): Promise<unknown> => {
    try {
      await (await openSqliteJobStore({ file })).close()
      return 'opened'
    } catch (error) {
      return (error as { code?: unknown }).code
    }
  }

  test('a file that is no job database is refused by name and left as it is', async () => {
    const folder = createTemporaryFolder()
    const [text, foreign, newer] = ['text.db', 'foreign.db', 'newer.db'].map((name) => join(folder, name))
    writeFileSync(text ?? '', 'name,age\n'.repeat(1_000))
    const other = openOther(foreign ?? '')
    other.exec('CREATE TABLE anything (a)')
    await endOf(newer ?? '')
    openOther(newer ?? '').exec('PRAGMA user_version = 99')
    expect(await codeOf(text ?? '')).toBe('data_corrupt')
    expect(await codeOf(foreign ?? '')).toBe('data_corrupt')
    expect(other.prepare('SELECT name FROM sqlite_schema').all()).toHaveLength(1)
    expect(await codeOf(newer ?? '')).toBe('data_newer')
  })

  test('a missing folder is data_missing; a folder in the place of the file, data_unreadable; a lock, data_locked', async () => {
    const folder = createTemporaryFolder()
    mkdirSync(join(folder, 'jobs.db'))
    expect(await codeOf(join(folder, 'none', 'jobs.db'))).toBe('data_missing')
    expect(await codeOf(join(folder, 'jobs.db'))).toBe('data_unreadable')
    const file = join(folder, 'locked.db')
    await endOf(file)
    openOther(file).exec('BEGIN IMMEDIATE')
    expect(await codeOf(file)).toBe('data_locked')
  })

  async function endOf(file: string): Promise<void> {
    const store = await openSqliteJobStore({ file })
    await endJob(store, jobOf(1))
    await store.close()
  }
})

describe('calls that share a commit', () => {
  test('go together up to a weight, in their order, and no more wait than is allowed', async () => {
    const groups: number[][] = []
    const queue = createCallQueue<number, number>({
      async send(group) {
        groups.push([...group])
        return group.map((value) => ({ value }))
      },
      weigh: (item) => item,
      groupMax: 10,
      waitingMax: 35,
      refuse: () => new Error('too much'),
    })
    const added = [4, 5, 3, 20, 1].map((item) => queue.add(item))
    expect((await Promise.allSettled(added)).map(({ status }) => status)).toEqual(
      Array.from({ length: 5 }, () => 'fulfilled'),
    )
    expect(groups).toEqual([[4, 5], [3], [20], [1]])
    const many = [20, 20, 1].map((item) => queue.add(item))
    expect((await Promise.allSettled(many)).map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
    ])
  })
})

async function openStore(file?: string): Promise<{ file: string; store: JobStore }> {
  const path = file ?? join(createTemporaryFolder(), 'jobs.db')
  const store = await openSqliteJobStore({ file: path })
  onTestFinished(() => store.close())
  return { file: path, store }
}

/** As the version before left it: a parked job with a delivery, a succeeded one, a queued one. */
function createVersion1(file: string): void {
  const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
  const row = (number: number, more: string, kind = `'single', 1`): string =>
    `INSERT INTO jobs VALUES (${number}, '${jobId(number)}', 'acme', 'key_a', NULL, 'sentiment', ${kind}, 0, 3,
      'https://example.com/', ${jobBegin}, ${more});
    INSERT INTO job_inputs VALUES (${number}, '["text ${number}"]');`
  const ended = `NULL, ${jobBegin}, ${jobBegin + keepMs}, NULL, 0, NULL`
  const job = JSON.stringify({ ...acceptedOf(jobOf(1)), status: 'parked' })
  database.exec(`${jobSteps[0]};
    ${row(1, `'parked', 4, 1, 3, 'lost', 'interrupted', ${ended}`)}
    ${row(2, `'succeeded', 3, 1, 1, NULL, NULL, ${ended}`)}
    INSERT INTO job_results VALUES (2, '"good"');
    ${row(3, `'queued', 1, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, 1, NULL`)}
    ${row(4, `'succeeded', 3, 2, 1, NULL, NULL, ${ended}`, `'batch', 2`)}
    INSERT INTO job_results VALUES (4, '["é","b"]');
    UPDATE owners SET queued = 1;
    UPDATE totals SET queued = 1;
    INSERT INTO turns VALUES ('acme', 'sentiment', 1, 1);
    INSERT INTO deliveries VALUES (1, 'msg_1', '${jobId(1)}', 'acme', 'https://example.com/', '${job}', 'failed', 1,
      NULL, ${jobBegin}, NULL, NULL, NULL, NULL, 0);
    PRAGMA application_id = ${jobApplicationId};
    PRAGMA user_version = 1`)
  database.close()
}

/** Every statement that made the database, without white space and the names' quotes. */
function schemaOf(database: SqliteDatabase): readonly string[] {
  return database
    .prepare<{ sql: string }>('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name')
    .all()
    .map(({ sql }) => sql.replaceAll(/[\s"]+/g, ' '))
}

/** Another connection to the same file, as another process would have. */
function openOther(file: string): SqliteDatabase {
  const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
  onTestFinished(() => database.close())
  return database
}

function pageCounter(file: string): () => number {
  const count = openOther(file).prepare<{ page_count: number }>('PRAGMA page_count')
  return () => count.get()?.page_count ?? 0
}

/** A connection that records what is prepared on it. */
function recordStatements(database: SqliteDatabase): {
  recording: SqliteDatabase
  statements: readonly string[]
} {
  const statements: string[] = []
  const recording: SqliteDatabase = {
    ...database,
    prepare(sql) {
      statements.push(sql)
      return database.prepare(sql)
    },
    prepareCells(sql) {
      statements.push(sql)
      return database.prepareCells(sql)
    },
  }
  return { recording, statements }
}

function planOf(database: SqliteDatabase, sql: string): string[] {
  if (/^(SAVEPOINT|ROLLBACK|RELEASE)/.test(sql)) return []
  return database
    .prepare<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map(({ detail }) => detail)
}
