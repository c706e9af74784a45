import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { expect, test, vi } from 'vitest'
import { ledgerEntry } from '../../src/ledger/format/record.ts'
import { parseSigningKey } from '../../src/secrets/signing-key.ts'
import { createMaintenance } from '../../src/storage/sqlite/ledger/maintenance.ts'
import { copyDeployment } from '../../src/ward/copy-deployment.ts'
import { inspectStorage, openStorage, type StoragePlace } from '../../src/ward/open-storage.ts'
import { type FilledFolder, fillFolder } from '../support/fill-folder.ts'
import { nameTestSchema, redisUrl } from '../support/services.ts'
import { predict } from './open-fleet.ts'
import { runCli, runError, runJson, spawnCli, startServer, temporaryFolder } from './run-cli.ts'

// Real processes' worth of work, on shared machines.
vi.setConfig({ testTimeout: 300_000 })

const hourMs = 3_600_000
/** Commits of one record each, a minute apart: a page of a history has 64 of them. */
const minutes = 420

type Sql = <Row extends object>(text: string) => Promise<readonly Row[]>

interface Moving extends AsyncDisposable {
  readonly data: string
  readonly filled: FilledFolder
  readonly env: Record<string, string>
  readonly fleet: StoragePlace & { readonly databaseUrl: string; readonly pepper: string }
  /** The first hour with a record. */
  readonly since: number
  readonly sql: Sql
  /** On a connection of its own, that sees what the other waits for. */
  readonly look: Sql
  readonly copy: () => ReturnType<typeof copyDeployment>
  /** The same as a command. */
  readonly command: readonly string[]
}

/** A folder with hours of records, whose usage is summed up but for the last few. */
async function prepare(): Promise<Moving> {
  const folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const database = await nameTestSchema()
  const filled = await fillFolder(data, { keys: 20, records: 1_000 })
  const since = Math.floor(Date.now() / hourMs) * hourMs - 24 * hourMs
  const [pepper = '', signingKey = ''] = ['pepper', 'signing-key'].map((name) =>
    readFileSync(join(data, name), 'utf8'),
  )
  await addMinutes(data, since)
  sumUp(data, signingKey)
  await runJson(['keys', 'create', '--name', 'of a later stream', '--data', data])
  const secrets = { databaseUrl: database.url, pepper, signingKey }
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: database.url.replace(/[?&]schema=.*/, '') })
    await client.connect()
    return client
  }
  const clients = [await connect(), await connect()] as const
  const sqlOn = (client: pg.Client): Sql => {
    return async <Row extends object>(text: string) =>
      (await client.query(text.replaceAll('$schema', `"${database.schema}"`))).rows as Row[]
  }
  const env = {
    MODELWARD_DATABASE_URL: database.url,
    MODELWARD_PEPPER: pepper,
    MODELWARD_SIGNING_KEY: signingKey,
  }
  return {
    ...{ data, filled, env, fleet: secrets, since },
    ...{ sql: sqlOn(clients[0]), look: sqlOn(clients[1]) },
    copy: () => copyDeployment({ ...secrets, from: data, history: 'behind' }),
    command: ['copy', '--from', data, '--history', 'behind', '--json'],
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.end()
      folder[Symbol.dispose]()
      await database.drop()
    },
  }
}

async function addMinutes(data: string, since: number): Promise<void> {
  const storage = await openStorage({ data }, { create: false })
  try {
    for (let minute = 0; minute < minutes; minute += 1)
      await storage.ledger?.append(
        ledgerEntry({
          ...{ at: since + minute * 60_000, event: 'request.admitted', keyId: `k${minute % 7}` },
          ...{ owner: 'acme', method: 'POST', route: '/predict', status: 200, latencyUs: 1_000 },
          measures: { requests: 1 },
          detail: { model: 'sentiment' },
        }),
      )
    await storage.ledger?.checkpoint()
  } finally {
    await storage.close()
  }
}

/** As its server does in the background. */
function sumUp(data: string, key: string): void {
  const signingKey = parseSigningKey(key, 'the folder')
  const maintenance = createMaintenance({
    ...{ role: 'maintenance', file: join(data, 'ledger.db'), signingKey, retention: {} },
  })
  maintenance.maintain({ now: Date.now() })
  maintenance.close({ now: Date.now() })
}

/** Every record, each with its position, stream, number and hash. */
async function readRecords(place: StoragePlace) {
  const reader = await (await inspectStorage(place)).ledger.openReader()
  try {
    const records = []
    for (let after: string | undefined; ; ) {
      const page = await reader.query({ limit: 1_000, order: 'oldest', after })
      if (page.records.length === 0) return records
      records.push(...page.records)
      after = page.next
    }
  } finally {
    await reader.close()
  }
}

async function readUsage(place: StoragePlace, since: number) {
  const reader = await (await inspectStorage(place)).ledger.openReader()
  try {
    return await reader.usage({ by: ['key', 'route'], since })
  } finally {
    await reader.close()
  }
}

/** Stops a copy in the middle of the history, as a full disk would. */
async function stopAt({ sql, env, copy }: Moving, block: number): Promise<void> {
  await runCli(['migrate'], { env })
  await sql(`ALTER TABLE $schema.block ADD CONSTRAINT stop CHECK (id >= ${block})`)
  await expect(copy()).rejects.toMatchObject({ code: 'store_unavailable' })
  await sql('ALTER TABLE $schema.block DROP CONSTRAINT stop')
}

const verify = (env: Record<string, string>, ...checkpoints: readonly string[]) =>
  runCli(['ledger', 'verify', '--json', ...checkpoints.flatMap((file) => ['--checkpoint', file])], { env })

const brokenOf = ({ stdout }: { stdout: string }): { kind: string; message: string } | null =>
  (JSON.parse(stdout) as { broken: { kind: string; message: string } | null }).broken

test('nodes serve while the history follows; then all of it is there and verifies', async () => {
  await using moving = await prepare()
  const { data, env, fleet, sql, since, filled } = moving
  const [early, late] = [join(data, '../early.json'), join(data, '../late.json')]
  const signed = await runJson<{ records: { detail: object }[] }>([
    'ledger',
    'query',
    '--event',
    'ledger.checkpoint',
    '--oldest',
    '--limit',
    '1',
    '--data',
    data,
  ])
  writeFileSync(early, JSON.stringify(signed.records[0]?.detail))
  writeFileSync(late, (await runCli(['ledger', 'checkpoint', '--data', data, '--json'])).stdout)
  const records = await readRecords({ data })
  const usage = await readUsage({ data }, since + 2 * hourMs)

  const [middle = 0] = records.slice(800, 801).map(({ position }) => Number(position.split('.')[0]))
  expect(middle).toBeGreaterThan(1)
  await stopAt(moving, middle)
  expect(existsSync(join(data, 'moved.json'))).toBe(true)
  const [arriving] = await sql<{ front: string; blocks: string }>('SELECT * FROM $schema.arriving')
  expect(Number(arriving?.front)).toBeGreaterThanOrEqual(middle)
  expect(Number(arriving?.blocks)).toBeGreaterThan(0)

  // Sums count what is not here yet; the records of half an hour cannot be told from its others.
  expect(await readUsage(fleet, since + 2 * hourMs)).toEqual(usage)
  const partly = await verify(env, early, late)
  expect(partly.code).toBe(1)
  expect(brokenOf(partly)).toMatchObject({
    kind: 'history_arriving',
    message: expect.stringContaining('a given checkpoint is of those'),
  })
  const shown = await runCli(['ledger', 'verify'], { env })
  expect(shown.stdout).toContain('not whole yet')

  const nodes = { ...env, MODELWARD_REDIS_URL: await redisUrl() }
  {
    await using server = await startServer(['--log-level', 'error'], { env: nodes })
    expect((await predict(server, filled.plainKey)).status).toBe(200)
    const opened = await runJson<{ records: { detail: { before?: string[] } }[] }>(
      ['ledger', 'query', '--event', 'ledger.opened', '--limit', '1'],
      { env },
    )
    const { stream } = JSON.parse(readFileSync(late, 'utf8').split('\n')[0] ?? '') as { stream: string }
    expect(opened.records[0]?.detail.before?.some((head) => head.startsWith(stream))).toBe(true)
    expect((await runError(['ledger', 'query', '--oldest'], { env })).error.code).toBe('ledger_unavailable')
    expect(brokenOf(await verify(env, late))?.kind).toBe('history_arriving')

    // What is here is verified.
    const flip = (id: string) =>
      sql(`UPDATE $schema.block SET body = set_byte(body, 5, get_byte(body, 5) # 1) WHERE id = ${id}`)
    await flip('(SELECT max(id) FROM $schema.block)')
    expect(brokenOf(await verify(env))?.kind).not.toBe('history_arriving')
    await flip('(SELECT max(id) FROM $schema.block)')

    const { code, stdout } = await runCli(moving.command, { env })
    expect(JSON.parse(stdout)).toMatchObject({ same: true, done_before: false })
    expect(code).toBe(0)
    expect((await predict(server, filled.plainKey)).status).toBe(200)
  }
  expect(await verify(env, early, late)).toMatchObject({ code: 0 })
  const all = await readRecords(fleet)
  expect(all.slice(0, records.length)).toEqual(records)
  expect(all.length).toBeGreaterThan(records.length)
  const half = since + 2.5 * hourMs
  const requests = (rows: Awaited<ReturnType<typeof readUsage>>) =>
    rows.reduce((sum, row) => sum + row.requests, 0)
  expect(requests(await readUsage(fleet, half))).toBe(requests(await readUsage({ data }, half)) + 2)
  expect(await moving.copy()).toMatchObject({ wasDone: true })
})

test('killed with -9 as it brings the history it goes on; another run beside it is refused', async () => {
  await using moving = await prepare()
  const { env, sql, look, command, data } = moving
  const records = await readRecords({ data })
  const [third = 0] = records.slice(1_200, 1_201).map(({ position }) => Number(position.split('.')[0]))
  await stopAt(moving, third)
  for (let kill = 0; kill < 3; kill += 1) {
    await sql('BEGIN')
    const [before] = await sql<{ front: string }>('SELECT front FROM $schema.arriving FOR UPDATE')
    const child = spawnCli(command, { env })
    const closed = once(child, 'close')
    const writing = (): Promise<readonly object[]> =>
      look(`SELECT pid FROM pg_stat_activity WHERE query LIKE '%$schema.arriving SET front%' AND state = 'active'
        AND pid <> pg_backend_pid()`)
    await expect.poll(writing, { timeout: 60_000 }).toHaveLength(1)
    expect((await runError(command.slice(0, -1), { env })).error.code).toBe('data_in_use')
    child.kill('SIGKILL')
    await closed
    await sql('COMMIT')
    // What had been sent is written as a whole, or not at all.
    await expect.poll(writing, { timeout: 60_000 }).toHaveLength(0)
    const [after] = await sql<{ front: string; least: string }>(
      'SELECT front, (SELECT min(id) FROM $schema.block) AS least FROM $schema.arriving',
    )
    expect(Number(after?.front)).toBeLessThanOrEqual(Number(before?.front))
    expect(after?.front).toBe(after?.least)
  }
  expect(await moving.copy()).toMatchObject({ isMoved: true, wasDone: false })
  expect(await readRecords(moving.fleet)).toEqual(records)
  expect(await verify(env)).toMatchObject({ code: 0 })
})

test('a copy goes on with the history that it was begun with', async () => {
  await using moving = await prepare()
  await stopAt(moving, 1_000_000)
  await moving.sql('ALTER TABLE $schema.block ADD CONSTRAINT stop CHECK (id < 0) NOT VALID')
  const stopped = await runCli(moving.command.slice(0, -1), { env: moving.env })
  expect(stopped).toMatchObject({ code: 3, stderr: expect.stringContaining('Run it again') })
  await moving.sql('ALTER TABLE $schema.block DROP CONSTRAINT stop')
  const other = await runError(['copy', '--from', moving.data], { env: moving.env })
  expect(other).toMatchObject({ code: 2, error: { message: expect.stringContaining('--history behind') } })
  expect((await moving.copy()).tables.every(({ isSame }) => isSame)).toBe(true)
})

test('killed between the mark of the folder and the end of the switch, neither side serves; then it goes on', async () => {
  await using moving = await prepare()
  const { env, sql, look, command, data } = moving
  await stopAt(moving, 1_000_000)
  // Others may lock the row too, and no one may change it: all is copied, and the switch waits.
  await sql('BEGIN')
  await sql(`SELECT FROM $schema.settings WHERE name = 'copied from' FOR SHARE`)
  const child = spawnCli(command, { env })
  const closed = once(child, 'close')
  const ending = `FROM pg_stat_activity WHERE query LIKE 'WITH signing AS%$schema.settings%' AND wait_event_type = 'Lock'`
  await expect.poll(() => look(`SELECT pid ${ending}`), { timeout: 60_000 }).toHaveLength(1)
  expect(existsSync(join(data, 'moved.json'))).toBe(true)
  child.kill('SIGKILL')
  await closed
  await look(`SELECT pg_terminate_backend(pid) ${ending}`)
  await sql('COMMIT')
  expect((await runError(['keys', 'list'], { env })).error.code).toBe('database_unsuitable')
  expect((await runError(['serve', '--data', data, '--port', '0'])).error.code).toBe('data_moved')
  const { code, stdout } = await runCli(command, { env })
  expect(JSON.parse(stdout)).toMatchObject({ same: true, done_before: false })
  expect(code).toBe(0)
  expect(await verify(env)).toMatchObject({ code: 0 })
})
