import { afterAll, beforeAll, expect, test } from 'vitest'
import { databaseUrl, type OwnService, startBeside } from '../support/services.ts'
import { describeFleetStory } from './fleet-story.ts'
import { openTestFleet, predict, type TestFleet } from './open-fleet.ts'

let pooler: OwnService
beforeAll(async () => {
  // Fewer connections to the server than one node has to the pooler: they change hands all the
  // time.
  pooler = await startBeside('pgbouncer', await databaseUrl(), { default_pool_size: '6' })
})
afterAll(() => pooler?.[Symbol.asyncDispose]())

async function open(): Promise<TestFleet> {
  return openTestFleet({ through: pooler.url })
}

describeFleetStory('two nodes behind PgBouncer in transaction mode', open)

test('behind PgBouncer a node says that it hears no changes, asks every 200 ms, and refuses a key that is revoked elsewhere', async () => {
  await using fleet = await open()
  await using node = await fleet.start('--log-level', 'info')
  // What may be no more than its store going is said when that still answers.
  await expect.poll(() => node.log(), { timeout: 90_000 }).toContain('keys.changes_not_heard')
  const { id, key } = await fleet.createKey()
  expect((await predict(node, key)).status).toBe(200)
  await fleet.run('keys', 'revoke', id)
  await expect.poll(async () => (await predict(node, key)).status, { interval: 5 }).toBe(403)
  // Said once, though it tries to listen again.
  expect(node.log().split('keys.changes_not_heard')).toHaveLength(2)
})
