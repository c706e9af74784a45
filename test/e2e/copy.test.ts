import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { drawPepper } from '../../src/secrets/peppers.ts'
import { drawSigningKeyLine } from '../../src/secrets/signing-key.ts'
import { type FilledFolder, fillFolder, submitWaiting } from '../support/fill-folder.ts'
import { nameTestSchema, openTestSchema, redisUrl, type TestSchema } from '../support/services.ts'
import { predict } from './open-fleet.ts'
import { runCli, runError, runJson, spawnCli, startServe, startServer, temporaryFolder } from './run-cli.ts'

interface Side {
  readonly rows: number
  readonly digest: string
}
interface Report {
  readonly same: boolean
  readonly done_before: boolean
  readonly tables: readonly {
    readonly table: string
    readonly from: Side
    readonly to: Side
    readonly same: boolean
  }[]
}

/** `MODELWARD_COPY_KEYS=10000 MODELWARD_COPY_RECORDS=100000` for the whole size. */
const sizes = {
  keys: Number(process.env['MODELWARD_COPY_KEYS'] ?? 500),
  records: Number(process.env['MODELWARD_COPY_RECORDS'] ?? 3_000),
}

let folder: ReturnType<typeof temporaryFolder>
let database: TestSchema
let data: string
let filled: FilledFolder
let env: Record<string, string>

beforeEach(async () => {
  folder = temporaryFolder()
  data = join(folder.path, 'data')
  database = await nameTestSchema()
  filled = await fillFolder(data, sizes)
  env = {
    MODELWARD_DATABASE_URL: database.url,
    MODELWARD_PEPPER: readFileSync(join(data, 'pepper'), 'utf8'),
    MODELWARD_SIGNING_KEY: readFileSync(join(data, 'signing-key'), 'utf8'),
  }
})

afterEach(async () => {
  folder[Symbol.dispose]()
  await database.drop()
})

/** Fails with the tables that differ. */
async function copy(...more: readonly string[]): Promise<Report> {
  const { code, stdout, stderr } = await runCli(['copy', '--from', data, ...more, '--json'], { env })
  expect(stderr).toBe('')
  const report = JSON.parse(stdout) as Report
  expect(report.tables.filter(({ same }) => !same)).toEqual([])
  expect(code).toBe(0)
  return report
}

const refusal = (more: Readonly<Record<string, string>> = {}) =>
  runError(['copy', '--from', data], { env: { ...env, ...more } })
const rowsOf = ({ tables }: Report): Record<string, number> =>
  Object.fromEntries(tables.map(({ table, to }) => [table, to.rows]))

/** All rows of the schema, but for what a copy says of itself. */
async function dump(): Promise<Record<string, string>> {
  const client = new pg.Client({ connectionString: database.url.replace(/[?&]schema=.*/, '') })
  await client.connect()
  try {
    const { rows } = await client.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r' ORDER BY 1`,
      [database.schema],
    )
    const sums: Record<string, string> = {}
    for (const { name } of rows) {
      const text = `SELECT coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') AS sum
        FROM "${database.schema}".${name} AS t`
      const found = await client.query<{ sum: string }>(text)
      sums[name] = found.rows[0]?.sum ?? ''
    }
    return sums
  } finally {
    await client.end()
  }
}

async function count(table: string): Promise<number> {
  const client = new pg.Client({ connectionString: database.url.replace(/[?&]schema=.*/, '') })
  await client.connect()
  try {
    const found = await client.query<{ n: string }>(`SELECT count(*) AS n FROM "${database.schema}".${table}`)
    return Number(found.rows[0]?.n)
  } finally {
    await client.end()
  }
}

async function askUntilRefused(server: { readonly address: string }, key: string): Promise<number> {
  for (let admitted = 0; ; admitted += 1) {
    const { status } = await predict(server, key)
    if (status === 429) return admitted
    expect(status).toBe(200)
  }
}

/** Runs a server, kills it, and gives what it did. */
async function useHalf(): Promise<void> {
  const server = await startServe(data, ['--log-level', 'error'])
  for (let request = 0; request < 4; request += 1)
    expect((await predict(server, filled.limitedKey)).status).toBe(200)
  const closed = once(server.child, 'close')
  server.child.kill('SIGTERM')
  await closed
}

describe('modelward copy', { timeout: 600_000 }, () => {
  test('makes a fleet of a folder: all is there, keys work, limits and the ledger go on', async () => {
    await useHalf()
    const waiting = await submitWaiting(data)
    const checkpoint = join(folder.path, 'checkpoint.json')
    const { stdout } = await runCli(['ledger', 'checkpoint', '--data', data, '--json'])
    const before = await runJson<{ usage: unknown }>(['usage', '--data', data, '--by', 'key'])
    const jobs = await runJson<{ jobs: unknown[] }>(['jobs', 'list', '--data', data])
    const keys = await runJson<{ keys: unknown[] }>(['keys', 'list', '--data', data, '--limit', '100'])
    writeFileSync(checkpoint, stdout)

    const report = await copy()
    expect(report).toMatchObject({ same: true, done_before: false })
    const rows = rowsOf(report)
    expect(rows['keys']).toBe(sizes.keys + 7)
    for (const [table, least] of [
      ...([
        ['imported_digests', 2],
        ['owners', 3],
        ['answers', 1],
        ['kept_uses', 3],
        ['jobs', 36],
      ] as const),
      ...([
        ['job_inputs', 30],
        ['job_answers', 3],
        ['deliveries', 3],
        ['webhook_secrets', 2],
      ] as const),
      ...([
        ['kept_answers', 2],
        ['stream', 3],
        ['block', 10],
      ] as const),
    ] as const)
      expect([table, rows[table] ?? 0]).toEqual([table, expect.toSatisfy((n: number) => n >= least)])

    expect(await runJson(['usage', '--by', 'key'], { env })).toEqual(before)
    expect(await runJson(['jobs', 'list'], { env })).toEqual(jobs)
    expect(await runJson(['keys', 'list', '--limit', '100'], { env })).toEqual(keys)
    const verified = await runCli(['ledger', 'verify', '--checkpoint', checkpoint], { env })
    expect(verified).toMatchObject({ code: 0 })
    expect(await runCli(['doctor'], { env })).toMatchObject({ code: 0 })

    const fleet = { ...env, MODELWARD_REDIS_URL: await redisUrl() }
    {
      await using server = await startServer(['--log-level', 'error'], { env: fleet })
      for (const key of [filled.plainKey, filled.importedKey])
        expect((await predict(server, key)).status).toBe(200)
      // Half of 8 an hour was used; opening may count a reserve of one as used.
      const admitted = await askUntilRefused(server, filled.limitedKey)
      expect(admitted).toBeLessThanOrEqual(4)
      expect(admitted).toBeGreaterThanOrEqual(3)
      let job: { readonly status: string } | undefined
      do job = await runJson<{ status: string }>(['jobs', 'show', waiting], { env })
      while (['queued', 'running'].includes(job.status))
      expect(job).toMatchObject({ status: 'succeeded' })
      const closed = once(server.child, 'close')
      server.child.kill('SIGTERM')
      await closed
    }
    expect(await runCli(['ledger', 'verify', '--checkpoint', checkpoint], { env })).toMatchObject({ code: 0 })
    const opened = await runJson<{ records: { detail: { before?: string[] } }[] }>(
      ['ledger', 'query', '--event', 'ledger.opened', '--limit', '1'],
      { env },
    )
    const { stream } = JSON.parse(stdout) as { stream: string }
    expect(opened.records[0]?.detail.before?.some((head) => head.startsWith(stream))).toBe(true)
  })

  test('runs again and changes nothing; a server refuses the folder, and says where it went', async () => {
    await copy()
    const before = await dump()
    expect(await copy()).toMatchObject({ same: true, done_before: true })
    // As if it had been killed before it had said that it ended.
    expect(await dump()).toEqual(before)
    const { error } = await runError(['serve', '--data', data, '--port', '0'])
    expect(error.code).toBe('data_moved')
    expect(error.message).toContain(`(schema ${database.schema})`)
    expect(error.message).not.toContain(new URL(database.url).password || '@')
    rmSync(join(data, 'moved.json'))
    await using server = await startServe(data, ['--log-level', 'error'])
    expect((await predict(server, filled.plainKey)).status).toBe(200)
    expect((await refusal()).error.code).toBe('data_in_use')
  })

  test('killed with -9 in the middle it goes on when it is run again; no node starts before', async () => {
    const order = ['keys', 'jobs', 'block']
    for (const table of order) {
      const child = spawnCli(['copy', '--from', data, '--json'], { env })
      const closed = once(child, 'close')
      let isOver = false
      void closed.then(() => {
        isOver = true
      })
      while (!isOver && (await count(table).catch(() => 0)) === 0);
      child.kill('SIGKILL')
      await closed
      if (existsSync(join(data, 'moved.json'))) continue
      const { error } = await runError(['keys', 'list'], { env })
      expect(error.code).toBe('database_unsuitable')
    }
    expect(await copy()).toMatchObject({ same: true })
    expect((await runJson<{ keys: unknown[] }>(['keys', 'list'], { env })).keys.length).toBeGreaterThan(1)
    expect(await runCli(['ledger', 'verify'], { env })).toMatchObject({ code: 0 })
  })

  test('refuses other secrets, and shows none; and another deployment', async () => {
    const other = drawPepper(1)
    const wrong = await refusal({ MODELWARD_PEPPER: other })
    expect(wrong).toMatchObject({ code: 3, error: { code: 'pepper_mismatch' } })
    expect(wrong.error.message).toContain('export MODELWARD_PEPPER=')
    expect(wrong.error.message).not.toContain(other.slice(2))
    const otherKey = await refusal({ MODELWARD_SIGNING_KEY: drawSigningKeyLine() })
    expect(otherKey.error.code).toBe('config_invalid')
    expect(otherKey.error.message).toContain('MODELWARD_SIGNING_KEY')
    const foreign = await openTestSchema()
    try {
      const there = { ...env, MODELWARD_DATABASE_URL: foreign.url }
      await runJson(['keys', 'create', '--name', 'of others'], { env: there })
      expect((await refusal({ MODELWARD_DATABASE_URL: foreign.url })).error.code).toBe('database_foreign')
    } finally {
      await foreign.drop()
    }
    expect(existsSync(join(data, 'moved.json'))).toBe(false)
  })

  test('leaves the history behind where it is told to', async () => {
    const report = await copy('--history', 'none')
    expect(report.same).toBe(true)
    expect(rowsOf(report)['block']).toBeUndefined()
    expect(await count('block')).toBe(0)
    expect(await runCli(['ledger', 'verify'], { env })).toMatchObject({ code: 0 })
  })

  test('says that a row differs, and marks neither side', async () => {
    const client = new pg.Client({ connectionString: database.url.replace(/[?&]schema=.*/, '') })
    await client.connect()
    try {
      await runCli(['migrate'], { env })
      await client.query(`CREATE FUNCTION "${database.schema}".other() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN new.name := 'other'; RETURN new; END $$`)
      await client.query(`CREATE TRIGGER other BEFORE INSERT ON "${database.schema}".keys
        FOR EACH ROW EXECUTE FUNCTION "${database.schema}".other()`)
      const { code, stdout } = await runCli(['copy', '--from', data, '--json'], { env })
      expect(code).toBe(1)
      const report = JSON.parse(stdout) as Report
      expect(report.tables.filter(({ same }) => !same).map(({ table }) => table)).toEqual(['keys'])
    } finally {
      await client.end()
    }
    expect(existsSync(join(data, 'moved.json'))).toBe(false)
    expect((await runError(['keys', 'list'], { env })).error.code).toBe('database_unsuitable')
  })
})
