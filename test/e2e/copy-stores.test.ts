import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { expect, test, vi } from 'vitest'
import { parseSigningKey } from '../../src/secrets/signing-key.ts'
import { copiedTables } from '../../src/storage/copy/copied-tables.ts'
import { firstSigningKey } from '../../src/storage/keys/check-signing-key.ts'
import { openCopyTarget } from '../../src/storage/postgres/copy/open-copy-target.ts'
import { openCopySource } from '../../src/storage/sqlite/copy/open-copy-source.ts'
import { createMaintenance } from '../../src/storage/sqlite/ledger/maintenance.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { copyDeployment } from '../../src/ward/copy-deployment.ts'
import { inspectStorage, openStorage, type StoragePlace } from '../../src/ward/open-storage.ts'
import { claim, countBytes, jobId, leaseMs, reservationOf, wide } from '../contract/job-fixtures.ts'
import { fillFolder } from '../support/fill-folder.ts'
import { nameTestSchema } from '../support/services.ts'
import { runError, runJson, temporaryFolder } from './run-cli.ts'

// Real processes' worth of work, on shared machines.
vi.setConfig({ testTimeout: 300_000 })

const sizes = { keys: 500, records: 2_000 }

interface Copied extends AsyncDisposable {
  readonly data: string
  readonly fleet: StoragePlace & { readonly databaseUrl: string; readonly pepper: string }
  readonly schema: string
  readonly copy: () => ReturnType<typeof copyDeployment>
}

async function prepare(): Promise<Copied> {
  const folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const database = await nameTestSchema()
  await fillFolder(data, sizes)
  const [pepper, signingKey] = ['pepper', 'signing-key'].map((name) => readFileSync(join(data, name), 'utf8'))
  const secrets = { databaseUrl: database.url, pepper: pepper ?? '', signingKey: signingKey ?? '' }
  return {
    ...{ data, fleet: secrets, schema: database.schema },
    copy: () => copyDeployment({ ...secrets, from: data, history: 'now' }),
    async [Symbol.asyncDispose]() {
      folder[Symbol.dispose]()
      await database.drop()
    },
  }
}

async function reading<Read>(
  place: StoragePlace & { pepper?: string },
  read: (storage: Storage) => Promise<Read>,
) {
  const options = { create: false, jobs: true, ledger: 'none', pepper: place.pepper } as const
  const storage = await openStorage(place, options)
  try {
    return await read(storage)
  } finally {
    await storage.close()
  }
}

/** What a deployment's stores say of all that is in them. */
async function describeStores({ keys, jobs }: Storage, now: number) {
  if (jobs === undefined) throw new Error('the storage has no jobs')
  const numbers = [1, 2, 3, 4, 5, 6, ...Array.from({ length: 30 }, (_, index) => 10 + index)]
  const { cursor, hasKeys, hasImportedKeys } = await keys.readChanges(undefined)
  return plain({
    changes: { cursor, hasKeys, hasImportedKeys },
    keys: (await keys.listKeys({ limit: 1_000, sort: 'name', descending: false })).keys,
    owners: await keys.listOwners({ limit: 100 }),
    answer: await keys.findAnswer('answer 0', now),
    jobs: await Promise.all(numbers.map((number) => jobs.findJob({ id: jobId(number) }, now))),
    counts: await jobs.countJobs(),
    bytes: await countBytes(jobs),
    deliveries: await jobs.listDeliveries({ limit: 100 }),
    secrets: await jobs.findWebhookSecrets('acme', now),
    reserved: await Promise.all(
      ['key', 'under way'].map((id) => jobs.reserve(reservationOf({ id, until: now + 1 }), now, wide)),
    ),
  })
}

/** The same, with bytes as hex digits: each driver has a type of its own for them. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]))
}

test('the stores of the fleet say what those of the folder said; a job that ran comes back with its answers', async () => {
  await using copied = await prepare()
  const now = Date.now()
  const before = await reading({ data: copied.data }, (storage) => describeStores(storage, now))
  expect((before as { jobs: unknown[] }).jobs.filter((job) => job === undefined)).toEqual([])
  expect((await copied.copy()).tables.filter(({ isSame }) => !isSame)).toEqual([])
  await reading(copied.fleet, async (storage) => {
    const after = await describeStores(storage, now)
    expect(after).toEqual(before)
    const { jobs } = storage
    if (jobs === undefined) throw new Error('the storage has no jobs')
    expect(await claim(jobs, { models: ['running'], now })).toEqual([])
    const [job] = await claim(jobs, { models: ['running'], now: now + 2 * leaseMs })
    expect(job).toMatchObject({ id: jobId(5), done: 1, attempts: 2, inputs: '["a","b","c"]' })
    // All that wait are claimed, whose texts are what they were.
    const others = await claim(jobs, { models: ['translation'], now })
    expect(others.length).toBe(31)
    expect(others.find(({ id }) => id === jobId(6))?.inputs).toContain('\\u0000 and 💡')
  })
})

/** Tables whose next row would have the number of one that was copied. */
async function nextNumbers({ fleet, schema }: Copied): Promise<readonly string[]> {
  const client = new pg.Client({ connectionString: fleet.databaseUrl.replace(/[?&]schema=.*/, '') })
  await client.connect()
  try {
    const taken: string[] = []
    for (const { name, columns, identity } of copiedTables) {
      if (identity === undefined) continue
      const [[key] = ['']] = columns
      const { rows } = await client.query<{ last: string; most: string }>(
        `SELECT nextval(pg_get_serial_sequence($1, $2)) AS last, coalesce(max(${key}), 0) AS most FROM ${`"${schema}".${name}`}`,
        [`"${schema}".${name}`, key],
      )
      if (Number(rows[0]?.last) <= Number(rows[0]?.most)) taken.push(name)
    }
    return taken
  } finally {
    await client.end()
  }
}

/** Takes a database back to where a copy was stopped: in the middle of a table. */
async function stopWithin(table: string, { fleet, schema }: Copied): Promise<void> {
  const client = new pg.Client({ connectionString: fleet.databaseUrl.replace(/[?&]schema=.*/, '') })
  await client.connect()
  try {
    await client.query(
      `UPDATE "${schema}".settings SET value = jsonb_set(value::jsonb, '{ended}', 'null')::text WHERE name = 'copied from'`,
    )
    await client.query(`DELETE FROM "${schema}".settings WHERE name = '${firstSigningKey}'`)
    for (const { name, columns, keyColumns, fills } of copiedTables.toReversed()) {
      if (name === table) {
        const key = columns.slice(0, keyColumns).map(([column]) => column)
        await client.query(
          `DELETE FROM "${schema}".${name} WHERE (${key}) IN (
            SELECT ${key} FROM "${schema}".${name} ORDER BY ${key.map((column) => `${column} DESC`)}
            LIMIT (SELECT (count(*) + 1) / 2 FROM "${schema}".${name}))`,
        )
        return
      }
      if (fills === 'added') await client.query(`DELETE FROM "${schema}".${name}`)
    }
  } finally {
    await client.end()
  }
}

test('stopped in the middle of a table it goes on behind the last row, and comes to the same', async () => {
  await using copied = await prepare()
  const first = await copied.copy()
  expect(first.tables.length).toBe(copiedTables.length)
  expect(await nextNumbers(copied)).toEqual([])
  for (const table of [
    'usage',
    'block',
    'webhook_secrets',
    'job_answers',
    'job_inputs',
    'jobs',
    'owners',
    'keys',
  ]) {
    await stopWithin(table, copied)
    const second = await copied.copy()
    expect(second).toMatchObject({ wasDone: false })
    expect(second.tables).toEqual(first.tables)
  }
})

/** Drops the oldest records of a folder's ledger, as its server does in the background. */
function dropOldest(data: string): void {
  const signingKey = parseSigningKey(readFileSync(join(data, 'signing-key'), 'utf8'), 'the folder')
  const maintenance = createMaintenance({
    ...{ role: 'maintenance', file: join(data, 'ledger.db'), signingKey, retention: { bytes: 150_000 } },
  })
  for (let turn = 0; turn < 20; turn += 1) maintenance.maintain({ now: Date.now() })
  maintenance.close({ now: Date.now() })
}

test('a ledger whose oldest records were dropped goes on in the fleet, with the sums of their usage', async () => {
  await using copied = await prepare()
  dropOldest(copied.data)
  const describe = async (place: StoragePlace) => {
    const { ledger } = await inspectStorage(place)
    const { firstBroken, records } = await ledger.verify({ trustedKeys: await ledger.publicKeys() })
    const reader = await ledger.openReader()
    const usage = await reader.usage({ by: ['key', 'route'] })
    await reader.close()
    return { firstBroken, records, usage, heads: await ledger.readHeads() }
  }
  const before = await describe({ data: copied.data })
  const { tables } = await copied.copy()
  expect(tables.filter(({ isSame }) => !isSame)).toEqual([])
  expect(tables.find(({ table }) => table === 'base')?.target.rows).toBeGreaterThan(0)
  expect(tables.find(({ table }) => table === 'usage')?.target.rows).toBeGreaterThan(0)
  const total = before.usage.reduce((sum, { requests }) => sum + requests, 0)
  expect([total, before.records < sizes.records]).toEqual([sizes.records, true])
  expect(before.firstBroken).toBeUndefined()
  expect(await describe(copied.fleet)).toEqual(before)
})

test('while a folder is copied no server opens it and no command changes it', async () => {
  await using copied = await prepare()
  const { data, fleet } = copied
  const create = ['keys', 'create', '--name', 'late', '--data', data]
  const source = await openCopySource(data, { pepper: fleet.pepper, signingKey: fleet.signingKey })
  try {
    for (const command of [['serve', '--data', data, '--port', '0'], create])
      expect((await runError(command)).error.code).toBe('data_locked')
  } finally {
    await source.close()
  }
  await runJson(create)
  expect((await copied.copy()).tables.every(({ isSame }) => isSame)).toBe(true)
  expect((await runError(create)).error.code).toBe('data_moved')
})

test('a text that PostgreSQL cannot store is named, and nothing is marked', async () => {
  await using copied = await prepare()
  await reading({ data: copied.data }, ({ keys }) => keys.addSetting('odd \u0000', 'x'))
  const error = {
    code: 'database_unsuitable',
    message: expect.stringContaining('settings: the row of "odd \\u0000"'),
  }
  await expect(copied.copy()).rejects.toMatchObject(error)
  expect(existsSync(join(copied.data, 'moved.json'))).toBe(false)
})

test('a second run writes nothing once the first has ended and nodes may write', async () => {
  await using copied = await prepare()
  await copied.copy()
  const late = await openCopyTarget(copied.fleet.databaseUrl)
  try {
    const ended = { code: 'database_unsuitable', message: expect.stringContaining('another run') }
    const rows: Readonly<Record<string, readonly (string | number | null)[]>> = {
      job_counts: [0, 999, 999],
      settings: ['late', 'x'],
      job_owners: ['late', 1, 1],
    }
    for (const table of copiedTables.filter(({ name }) => name in rows))
      await expect(late.rows(table).write([rows[table.name] ?? []])).rejects.toMatchObject(ended)
    for (const table of copiedTables.filter(({ identity }) => identity !== undefined))
      await expect(late.rows(table).numberOn()).rejects.toMatchObject(ended)
    await expect(late.history.begin({ front: 9, blocks: 1, latestAt: 0 })).rejects.toMatchObject(ended)
    expect(await late.history.arriving()).toBeUndefined()
  } finally {
    await late.close()
  }
  expect(await copied.copy()).toMatchObject({ wasDone: true })
  await reading(copied.fleet, async ({ jobs }) =>
    expect(await jobs?.countJobs()).not.toMatchObject({ queued: 999 }),
  )
})
