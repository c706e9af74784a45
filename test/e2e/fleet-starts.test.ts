import { describe, expect, onTestFinished, test } from 'vitest'
import { publicKeyOf } from '../../src/ledger/format/checkpoint.ts'
import { drawSigningKeyLine, parseSigningKey } from '../../src/secrets/signing-key.ts'
import { databaseUrl, redisUrl, startBeside } from '../support/services.ts'
import { ask } from './ask-node.ts'
import { openTestFleet, type TestFleet, type TestFleetOptions } from './open-fleet.ts'
import { runError, runJson, startServer } from './run-cli.ts'

async function open(options: TestFleetOptions = {}): Promise<TestFleet> {
  const fleet = await openTestFleet(options)
  onTestFinished(() => fleet[Symbol.asyncDispose]())
  return fleet
}

/** Changes a URL as `new URL` has it. */
async function changed(url: Promise<string>, change: (url: URL) => void): Promise<string> {
  const other = new URL(await url)
  change(other)
  return other.href
}

describe('a start is refused, and says which, with', () => {
  test.each<readonly [string, () => Promise<TestFleetOptions>, string, RegExp]>([
    [
      'a wrong password of PostgreSQL',
      async () => ({
        databaseUrl: await changed(databaseUrl(), (url) => {
          url.password = 'not-the-one'
        }),
      }),
      'database_unreachable',
      /^127\.0\.0\.1:\d+\/postgres.*the password is wrong/,
    ],
    [
      'a wrong user of PostgreSQL',
      async () => ({
        databaseUrl: await changed(databaseUrl(), (url) => {
          url.username = 'stranger'
        }),
      }),
      'database_unreachable',
      /^127\.0\.0\.1:\d+\/postgres.*the password is wrong/,
    ],
    [
      'a database that does not exist',
      async () => ({
        databaseUrl: await changed(databaseUrl(), (url) => {
          url.pathname = '/nowhere'
        }),
      }),
      'database_unreachable',
      /^127\.0\.0\.1:\d+\/nowhere.*the database does not exist/,
    ],
    [
      'a standby',
      async () => {
        const standby = await startBeside('postgres', await databaseUrl())
        onTestFinished(() => standby[Symbol.asyncDispose]())
        return { databaseUrl: standby.url }
      },
      'database_unsuitable',
      /it is a standby/,
    ],
    [
      'a wrong password of PgBouncer',
      async () => {
        const pooler = await startBeside('pgbouncer', await databaseUrl())
        onTestFinished(() => pooler[Symbol.asyncDispose]())
        return { databaseUrl: pooler.url.replace(/:[^:@]+@/, ':not-the-one@') }
      },
      'database_unreachable',
      /^127\.0\.0\.1:\d+\/postgres.*the user or the password is wrong/,
    ],
    [
      'a wrong password of Redis',
      async () => ({ redisUrl: (await redisUrl()).replace(/:[^:@]+@/, ':not-the-one@') }),
      'redis_unreachable',
      /^Redis at .*the user or the password is wrong/,
    ],
    [
      'no password of Redis',
      async () => ({ redisUrl: (await redisUrl()).replace(/:[^:@]+@/, '') }),
      'redis_unreachable',
      /^Redis at .*the user or the password is wrong/,
    ],
    [
      'a database that Redis does not have',
      async () => ({ redisUrl: (await redisUrl()).replace(/\/0$/, '/9999') }),
      'redis_unreachable',
      /^Redis at .*no database of this number/,
    ],
  ])('%s', async (_what, given, expected, says) => {
    const fleet = await open(await given())
    const { code, error } = await runError(['serve', '--port', '0'], { env: fleet.env })
    expect({ code, error: error.code }).toEqual({ code: 3, error: expected })
    expect(error.message).toMatch(says)
    for (const url of [fleet.env['MODELWARD_DATABASE_URL'], fleet.env['MODELWARD_REDIS_URL']])
      expect(JSON.stringify(error)).not.toContain(new URL(url ?? '').password || url)
  })
})

test('of commands and nodes that make the schema at once one works, the others wait and find it', async () => {
  const fleet = await open()
  const migrated = Promise.all([1, 2, 3].map(() => fleet.run<object>('migrate')))
  const nodes = await Promise.all([1, 2].map(() => fleet.start('--limit-default', 'none')))
  expect(await migrated).toHaveLength(3)
  const { key } = await fleet.createKey()
  for (const node of nodes) {
    expect(await ask(node, key)).toMatchObject({ status: 200 })
    await node[Symbol.asyncDispose]()
  }
  const never = await open()
  const { code, error } = await runError(['serve', '--port', '0', '--migrate', 'never'], { env: never.env })
  expect({ code, error: error.code }).toEqual({ code: 3, error: 'data_missing' })
})

describe('another signing key than the deployment’s', () => {
  const next = drawSigningKeyLine()
  const publicHalf = (text: string): string => publicKeyOf(parseSigningKey(text, 'test'))
  const signingWith = (fleet: TestFleet, key: string) => ({
    env: { ...fleet.env, MODELWARD_SIGNING_KEY: key },
  })

  test('keeps nodes from starting and commands from changing anything, with the way out', async () => {
    const fleet = await open()
    const { key } = await fleet.createKey()
    await using node = await fleet.start('--limit-default', 'none')
    expect(await ask(node, key)).toMatchObject({ status: 200 })
    for (const command of [
      ['serve', '--port', '0'],
      ['keys', 'create', '--name', 'other'],
      ['ledger', 'checkpoint'],
    ]) {
      const { code, error } = await runError(command, signingWith(fleet, next))
      expect({ code, error: error.code }).toEqual({ code: 3, error: 'signing_key_mismatch' })
      expect(error.message).toMatch(/give every node that one, or, to replace it on purpose/)
    }
    const { keys } = await fleet.run<{ readonly keys: readonly object[] }>('keys', 'list')
    expect(keys).toHaveLength(1)
    expect(await fleet.run('ledger', 'verify')).toMatchObject({ ok: true })
  })

  test('replaces it on purpose, node by node, and the ledger verifies under both', async () => {
    const fleet = await open()
    const { key } = await fleet.createKey()
    const old = fleet.env['MODELWARD_SIGNING_KEY'] ?? ''
    const rotated = signingWith(fleet, `${next},${publicHalf(old)}`)
    const before = await fleet.start('--limit-default', 'none')
    await using after = await startServer(['--limit-default', 'none'], rotated)
    for (const node of [before, after]) expect(await ask(node, key)).toMatchObject({ status: 200 })
    await before[Symbol.asyncDispose]()
    // A node that is restarted before its turn.
    await using again = await fleet.start('--limit-default', 'none')
    expect(await ask(again, key)).toMatchObject({ status: 200 })
    const verified = await runJson<{ readonly ok: boolean; readonly keys: readonly string[] }>(
      ['ledger', 'verify'],
      rotated,
    )
    expect(verified.ok).toBe(true)
    expect(verified.keys.toSorted()).toEqual([publicHalf(old), publicHalf(next)].toSorted())
    const { checks } = await fleet.run<{ readonly checks: readonly object[] }>('doctor', '--port', '0')
    expect(checks).toContainEqual(expect.objectContaining({ check: 'signing key', status: 'warn' }))
  })
})
