import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { selfSigned } from '../support/self-signed.ts'
import { databaseUrl, type OwnService, redisUrl, startPostgres, startRedis } from '../support/services.ts'
import { openTestFleet, predict, type TestFleet, type TestFleetOptions } from './open-fleet.ts'
import { runError, temporaryFolder } from './run-cli.ts'

/** What a node trusts beside what Node does; the servers show `certificate`, or a stranger's. */
const certificate = selfSigned('localhost')

let postgres: OwnService
let redis: OwnService
beforeAll(async () => {
  postgres = await startPostgres({}, { tls: certificate })
  redis = await startRedis({}, { tls: certificate })
})
afterAll(async () => {
  await postgres?.[Symbol.asyncDispose]()
  await redis?.[Symbol.asyncDispose]()
})

async function open(options: TestFleetOptions, trusted?: string): Promise<TestFleet> {
  const folder = temporaryFolder()
  onTestFinished(() => folder[Symbol.dispose]())
  const path = join(folder.path, 'trusted.pem')
  if (trusted !== undefined) writeFileSync(path, trusted)
  const env: Record<string, string> = trusted === undefined ? {} : { NODE_EXTRA_CA_CERTS: path }
  const fleet = await openTestFleet({ ...options, env })
  onTestFinished(() => fleet[Symbol.asyncDispose]())
  return fleet
}

const urls = (): TestFleetOptions => ({ databaseUrl: postgres.url, redisUrl: redis.url })

test('both over TLS, checked in full: a node serves, counts and records', async () => {
  expect([new URL(postgres.url).searchParams.get('sslmode'), new URL(redis.url).protocol]).toEqual([
    'verify-full',
    'rediss:',
  ])
  const fleet = await open(urls(), certificate.cert)
  await using node = await fleet.start()
  const { key } = await fleet.createKey('--limit', '2/min')
  const statuses = [1, 2, 3].map(async () => (await predict(node, key)).status)
  expect((await Promise.all(statuses)).sort()).toEqual([200, 200, 429])
  expect(await fleet.run('ledger', 'verify')).toMatchObject({ ok: true })
  // The connections really are encrypted, those for notifications among them.
  expect(node.log()).not.toContain('changes_not_heard')
})

describe('a start over TLS is refused, and says which, where', () => {
  const inPlain = (url: string, changed: (url: URL) => void): string => {
    const other = new URL(url)
    changed(other)
    return other.href
  }
  const address = (url: string): string => inPlain(url, (other) => (other.hostname = '127.0.0.1'))

  test.each<readonly [string, () => Promise<readonly [TestFleetOptions, string?]>, string, RegExp]>([
    [
      '`sslmode=require` stands where nothing is trusted',
      async () => [{ ...urls(), databaseUrl: postgres.url.replace('verify-full', 'require') }],
      'database_unreachable',
      /certificate is not trusted/,
    ],
    ['nothing is trusted', async () => [urls()], 'database_unreachable', /certificate is not trusted/],
    [
      'another certificate is trusted',
      async () => [urls(), selfSigned('localhost').cert],
      'database_unreachable',
      /certificate is not trusted/,
    ],
    [
      'PostgreSQL’s certificate names another host',
      async () => [{ ...urls(), databaseUrl: address(postgres.url) }, certificate.cert],
      'database_unreachable',
      /certificate names another host/,
    ],
    [
      'PostgreSQL does not speak it',
      async () => [{ ...urls(), databaseUrl: `${await databaseUrl()}?sslmode=verify-full` }],
      'database_unreachable',
      /does not offer TLS/,
    ],
    [
      'Redis’ certificate is not trusted',
      async () => [{ redisUrl: redis.url }],
      'redis_unreachable',
      /certificate is not trusted/,
    ],
    [
      'Redis’ certificate names another host',
      async () => [{ redisUrl: address(redis.url) }, certificate.cert],
      'redis_unreachable',
      /certificate/,
    ],
    [
      'Redis does not speak it',
      async () => [{ redisUrl: (await redisUrl()).replace('redis:', 'rediss:') }],
      'redis_unreachable',
      /does not speak TLS/,
    ],
    [
      'Redis speaks nothing else',
      async () => [{ redisUrl: redis.url.replace('rediss:', 'redis:') }],
      'redis_unreachable',
      /speaks TLS/,
    ],
  ])('%s', async (_what, given, expected, says) => {
    const fleet = await open(...(await given()))
    const { code, error } = await runError(['serve', '--port', '0'], { env: fleet.env })
    expect({ code, error: error.code }).toEqual({ code: 3, error: expected })
    expect(error.message).toMatch(says)
  })
})
