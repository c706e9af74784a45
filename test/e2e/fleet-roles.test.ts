import { readFileSync } from 'node:fs'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { drawPepper } from '../../src/secrets/peppers.ts'
import { drawSigningKeyLine } from '../../src/secrets/signing-key.ts'
import { type OwnService, startPostgres } from '../support/services.ts'
import { ask, runSql } from './ask-node.ts'
import { describeFleetStory } from './fleet-story.ts'
import { openTestFleet, type TestFleet } from './open-fleet.ts'
import { runCli, runError, runJson } from './run-cli.ts'

/** A database of which nothing is known but what `deploy/roles.sql` makes. */
let postgres: OwnService
beforeAll(async () => {
  postgres = await startPostgres()
  await runSql(
    postgres.url,
    // As a careful administrator has it.
    'REVOKE ALL ON DATABASE postgres FROM PUBLIC',
    readFileSync('deploy/roles.sql', 'utf8'),
    ...['owner', 'node'].map((role) => `ALTER ROLE modelward_${role} PASSWORD '${role}-password-of-a-test'`),
  )
  await runSql(
    urlOf('owner'),
    'ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC',
    'ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC',
  )
})
afterAll(() => postgres?.[Symbol.asyncDispose]())

function urlOf(role: 'owner' | 'node'): string {
  const url = new URL(postgres.url)
  url.username = `modelward_${role}`
  url.password = `${role}-password-of-a-test`
  return url.href
}

const secrets = { MODELWARD_PEPPER: drawPepper(1), MODELWARD_SIGNING_KEY: drawSigningKeyLine() }

/** The same deployment each time, under the role that has rights to its rows alone. */
function open(): Promise<TestFleet> {
  return openTestFleet({ databaseUrl: urlOf('node'), env: { ...secrets, MODELWARD_MIGRATE: 'never' } })
}

test('the role of nodes makes no schema, and the other one does', async () => {
  const fleet = await open()
  const refused = async (...command: readonly string[]) => {
    const { code, error } = await runError(command, { env: fleet.env })
    return { code, error: error.code }
  }
  expect(await refused('migrate')).toEqual({ code: 3, error: 'database_unreachable' })
  expect(await refused('serve', '--port', '0')).toEqual({ code: 3, error: 'data_missing' })
  const env = { ...fleet.env, MODELWARD_DATABASE_URL: urlOf('owner') }
  expect(await runJson(['migrate'], { env })).toMatchObject({ schema_version: 3 })
})

describeFleetStory('a fleet under the role of nodes', open)

describe('the role of nodes', () => {
  test('is enough for workers, and for what commands read', async () => {
    const fleet = await open()
    await using server = await fleet.start('--workers', '2', '--limit-default', '100/min')
    const { id, key } = await fleet.createKey('--owner', 'acme')
    expect(await ask(server, key)).toMatchObject({ status: 200 })
    for (const command of [
      ['keys', 'list'],
      ['keys', 'show', id],
      ['owners', 'list'],
      ['limits', 'explain', id],
      ['limits', 'reset-epoch'],
      ['ledger', 'query'],
      ['ledger', 'checkpoint'],
      ['ledger', 'verify'],
      ['usage'],
      ['jobs', 'list'],
      ['webhooks', 'deliveries'],
      ['nodes', 'list'],
      ['migrate'],
      ['doctor', '--port', '0'],
    ]) {
      const { code, stderr } = await runCli(command, { env: fleet.env })
      expect({ command, code }, stderr).toEqual({ command, code: 0 })
    }
  })

  test('has rights to rows, and to nothing else', async () => {
    const client = new pg.Client({ connectionString: urlOf('node') })
    await client.connect()
    const { rows } = await client.query(
      `SELECT has_schema_privilege('modelward', 'CREATE') AS creates,
         bool_or(has_table_privilege(c.oid, 'TRUNCATE, REFERENCES, TRIGGER')) AS more,
         bool_or(pg_has_role(c.relowner, 'MEMBER')) AS owns, count(*) > 20 AS many
       FROM pg_class AS c WHERE c.relnamespace = 'modelward'::regnamespace AND c.relkind = 'r'`,
    )
    expect(rows).toEqual([{ creates: false, more: false, owns: false, many: true }])
    await client.end()
  })
})
