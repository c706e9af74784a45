import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { expect, test, vi } from 'vitest'
import { fillFolder } from '../support/fill-folder.ts'
import { nameTestSchema } from '../support/services.ts'
import { predict } from './open-fleet.ts'
import { runCli, runError, runJson, startServe, temporaryFolder } from './run-cli.ts'

// Real processes' worth of work, on shared machines.
vi.setConfig({ testTimeout: 300_000 })

interface Report {
  readonly same: boolean
  readonly done_before: boolean
  readonly damaged: readonly { readonly table: string; readonly row: string }[]
}

/** A statement as another program gives it, past the checksums. */
function damage(file: string, ...statements: readonly string[]): void {
  const database = new DatabaseSync(file)
  try {
    for (const statement of statements) database.exec(statement)
  } finally {
    database.close()
  }
}

function readCell(file: string, text: string): string {
  const database = new DatabaseSync(file)
  try {
    return String(Object.values(database.prepare(text).get() ?? {})[0])
  } finally {
    database.close()
  }
}

async function useLimits(data: string, key: string): Promise<void> {
  const server = await startServe(data, ['--log-level', 'error'])
  expect((await predict(server, key)).status).toBe(200)
  const closed = once(server.child, 'close')
  server.child.kill('SIGTERM')
  await closed
}

/** One row of every table that has checksums; returns their names. */
function damageRows(data: string): readonly string[] {
  const [keys, jobs, limits] = ['modelward.db', 'jobs.db', 'limits.db'].map((file) => join(data, file)) as [
    string,
    string,
    string,
  ]
  const ids = {
    plain: readCell(keys, "SELECT id FROM keys WHERE name = 'plain'"),
    imported: readCell(keys, "SELECT id FROM keys WHERE name = 'imported'"),
    job: readCell(jobs, "SELECT id FROM jobs WHERE status = 'queued' AND webhook IS NULL ORDER BY place"),
    input: readCell(jobs, "SELECT id FROM jobs WHERE status = 'queued' ORDER BY place DESC"),
    ended: readCell(jobs, "SELECT id FROM jobs WHERE status = 'succeeded' ORDER BY place"),
    delivery: readCell(jobs, 'SELECT id FROM deliveries ORDER BY place DESC'),
    kept: readCell(jobs, 'SELECT id FROM answers WHERE sealed IS NOT NULL'),
    limit: readCell(limits, 'SELECT name FROM uses ORDER BY name'),
  }
  damage(
    keys,
    `UPDATE keys SET scopes = '["admin"]' WHERE id IN ('${ids.plain}', '${ids.imported}')`,
    `UPDATE owners SET limits = '["9/min"]' WHERE owner = 'acme'`,
    `UPDATE answers SET expires_at = expires_at + 1 WHERE id = 'answer 0'`,
  )
  damage(
    jobs,
    `UPDATE jobs SET total = 9 WHERE id IN ('${ids.job}', '${ids.ended}')`,
    `UPDATE job_inputs SET inputs = '["other"]' WHERE place = (SELECT place FROM jobs WHERE id = '${ids.input}')`,
    `UPDATE deliveries SET url = 'https://elsewhere.example' WHERE id = '${ids.delivery}'`,
    `UPDATE answers SET request_digest = 'another' WHERE id = '${ids.kept}'`,
    'UPDATE webhook_secrets SET created_at = 1 WHERE place = (SELECT max(place) FROM webhook_secrets)',
  )
  damage(limits, `UPDATE uses SET spare = spare + 1 WHERE name = '${ids.limit}'`)
  return [
    ...[`key ${ids.plain}`, `key ${ids.imported}`, 'owner acme', 'answer answer 0', `limit ${ids.limit}`],
    ...[`job ${ids.job}`, `job ${ids.ended}`, `job ${ids.input}`, `webhook ${ids.delivery}`],
    ...[`answer ${ids.kept}`, 'a webhook secret of acme'],
  ]
}

test('names every damaged row before it writes one, and leaves them out where it is told to', async () => {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const database = await nameTestSchema()
  const client = new pg.Client({ connectionString: database.url.replace(/[?&]schema=.*/, '') })
  await client.connect()
  const sql = async (text: string) =>
    (await client.query(text.replaceAll('$schema', `"${database.schema}"`))).rows as Record<string, string>[]
  try {
    const filled = await fillFolder(data, { keys: 20, records: 500 })
    await useLimits(data, filled.limitedKey)
    const env = {
      MODELWARD_DATABASE_URL: database.url,
      MODELWARD_PEPPER: readFileSync(join(data, 'pepper'), 'utf8'),
      MODELWARD_SIGNING_KEY: readFileSync(join(data, 'signing-key'), 'utf8'),
    }
    const names = damageRows(data)
    const inFolder = await runJson<{ keys: { name: string }[] }>([
      'keys',
      'list',
      '--limit',
      '100',
      '--data',
      data,
    ]).catch(String)
    expect(inFolder).toContain('exit code 3')

    const refused = await runError(['copy', '--from', data], { env })
    expect(refused).toMatchObject({ code: 3, error: { code: 'data_corrupt' } })
    for (const name of names) expect(refused.error.message).toContain(name)
    expect(refused.error.message).toContain(`leave these ${names.length} out with --skip-damaged`)
    expect(existsSync(join(data, 'moved.json'))).toBe(false)
    expect(await sql('SELECT FROM $schema.settings')).toEqual([])

    const copy = () => runCli(['copy', '--from', data, '--skip-damaged', '--json'], { env })
    const { code, stdout } = await copy()
    const report = JSON.parse(stdout) as Report
    expect(report).toMatchObject({ same: true, done_before: false })
    expect(report.damaged.map(({ row }) => row).toSorted()).toEqual(names.toSorted())
    expect(code).toBe(3)

    const { keys } = await runJson<{ keys: { name: string }[] }>(['keys', 'list', '--limit', '100'], { env })
    const kept = keys.map(({ name }) => name)
    expect(kept).toContain('limited')
    expect(kept).not.toContain('plain')
    expect(
      await sql(
        'SELECT FROM $schema.imported_digests i LEFT JOIN $schema.keys k ON k.id = key_id WHERE k.id IS NULL',
      ),
    ).toEqual([])
    // What is counted is what is there.
    expect(await sql(`SELECT owner, jobs::int, bytes::int FROM $schema.job_owners ORDER BY owner`)).toEqual(
      await sql(`SELECT owner, sum(jobs)::int AS jobs, sum(bytes)::int AS bytes FROM (
        SELECT owner, (status IN ('queued', 'running'))::int AS jobs, bytes FROM $schema.jobs
        UNION ALL SELECT owner, 0, bytes FROM $schema.kept_answers
        UNION ALL SELECT owner, 0, bytes FROM $schema.deliveries) AS counted GROUP BY owner ORDER BY owner`),
    )
    expect(
      await sql('SELECT sum(jobs)::int AS jobs, sum(bytes)::int AS bytes FROM $schema.job_counts'),
    ).toEqual(await sql('SELECT sum(jobs)::int AS jobs, sum(bytes)::int AS bytes FROM $schema.job_owners'))
    expect(
      await sql(`SELECT FROM $schema.job_inputs WHERE place NOT IN (SELECT place FROM $schema.jobs)
      UNION ALL SELECT FROM $schema.job_answers WHERE place NOT IN (SELECT place FROM $schema.jobs)
      UNION ALL SELECT FROM $schema.deliveries WHERE NOT is_job_forgotten AND job_id NOT IN (SELECT id FROM $schema.jobs)`),
    ).toEqual([])
    const again = await copy()
    expect([again.code, JSON.parse(again.stdout)]).toEqual([3, { ...report, done_before: true }])
    const shown = await runCli(['copy', '--from', data, '--skip-damaged'], { env })
    expect(shown.stdout).toContain('left out of owners, not as it was written: owner acme')
  } finally {
    await client.end()
    await database.drop()
  }
})

test.each([
  ['in its middle', '(SELECT id FROM block ORDER BY id LIMIT 1 OFFSET 4)', 'x'],
  ['that is the last of its stream', '(SELECT max(id) FROM block)', ''],
])(
  'a damaged block of the ledger, %s, comes along, and verification finds it as in the folder',
  async (_, block, rest) => {
    using folder = temporaryFolder()
    const data = join(folder.path, 'data')
    const database = await nameTestSchema()
    try {
      await fillFolder(data, { keys: 5, records: 2_000 })
      const cut =
        rest === '' ? 'zeroblob(40)' : "CAST(substr(body, 1, 50) || x'ff' || substr(body, 52) AS BLOB)"
      damage(join(data, 'ledger.db'), `UPDATE block SET body = ${cut} WHERE id = ${block}`)
      const env = {
        MODELWARD_DATABASE_URL: database.url,
        MODELWARD_PEPPER: readFileSync(join(data, 'pepper'), 'utf8'),
        MODELWARD_SIGNING_KEY: readFileSync(join(data, 'signing-key'), 'utf8'),
      }
      const broken = async (args: readonly string[]) => {
        const { code, stdout } = await runCli(['ledger', 'verify', '--json', ...args], {
          env: args.length > 0 ? {} : env,
        })
        expect(code).toBe(1)
        return (JSON.parse(stdout) as { broken: object }).broken
      }
      const before = await broken(['--data', data])
      const { code, stdout } = await runCli(['copy', '--from', data, '--json'], { env })
      expect(JSON.parse(stdout)).toMatchObject({ same: true, damaged: [] })
      expect(code).toBe(0)
      expect(await broken([])).toEqual(before)
    } finally {
      await database.drop()
    }
  },
)
