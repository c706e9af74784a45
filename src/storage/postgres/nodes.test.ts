import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { collectEvents } from '../../../test/support/collect-events.ts'
import { openTestSchema, startPostgres, type TestSchema, unhurried } from '../../../test/support/services.ts'
import { createTestTime } from '../../../test/support/test-time.ts'
import { Fault } from '../../core/fault.ts'
import { type FleetNodes, joinNodes } from './nodes.ts'
import { nodesSchema } from './nodes-schema.ts'
import { openPostgres, type Postgres } from './postgres.ts'

let deployment: TestSchema
let postgres: Postgres
beforeAll(async () => {
  deployment = await openTestSchema()
  postgres = await openPostgres({ ...unhurried, url: deployment.url, fault: 'store_unavailable' })
})
afterAll(async () => {
  await postgres.close()
  await deployment.drop()
})
beforeEach(() => postgres.query(`DELETE FROM ${postgres.schema}.nodes`))

async function join(options: Partial<Parameters<typeof joinNodes>[0]> = {}): Promise<FleetNodes> {
  const node = await joinNodes({ postgres, name: 'one', version: '1.2.3', schemaKnown: 1, ...options })
  onTestFinished(node.end)
  return node
}

/** As if no node had said a thing for so many milliseconds. */
async function age(ms: number): Promise<void> {
  await postgres.query(`UPDATE ${postgres.schema}.nodes SET seen_at = seen_at - $1`, [ms])
}

/** The same database, with calls that are counted, and answered before the next is made. */
function counted() {
  let calls = 0
  const waiting: (() => void)[] = []
  return {
    postgres: {
      schema: postgres.schema,
      async query<Row extends object>(text: string, values?: readonly unknown[]) {
        const rows = await postgres.query<Row>(text, values)
        calls += 1
        for (const look of waiting.splice(0)) look()
        return rows
      },
    },
    async until(count: number): Promise<void> {
      while (calls < count) await new Promise<void>((resolve) => waiting.push(resolve))
    },
  }
}

test('a node is on the list from its start to its end, beside the others', async () => {
  const one = await join()
  // Both may start in one millisecond, and then come in the order of their ids.
  await postgres.query(`UPDATE ${postgres.schema}.nodes SET started_at = started_at - 1`)
  const two = await join({ name: 'two', version: '1.3.0', schemaKnown: 2 })
  const listed = await two.list()
  expect(listed).toMatchObject([
    { id: one.id, name: 'one', version: '1.2.3', schemaKnown: 1, isLive: true },
    { id: two.id, name: 'two', version: '1.3.0', schemaKnown: 2, isLive: true },
  ])
  const [now] = await postgres.query<{ readonly now: number }>(
    'SELECT (extract(epoch FROM now()) * 1000)::bigint AS now',
  )
  for (const { startedAt, seenAt } of listed) {
    expect(seenAt).toBeGreaterThanOrEqual(startedAt)
    expect(Math.abs((now?.now ?? 0) - seenAt)).toBeLessThan(30_000)
  }
  await one.end()
  await one.end()
  expect((await two.list()).map(({ id }) => id)).toEqual([two.id])
})

test('a node that is not seen for 10 s is not live, and is again once it is seen: as the same node', async () => {
  const time = createTestTime()
  const { postgres: watched, until } = counted()
  const node = await join({ postgres: watched, scheduler: time.scheduler })
  await age(7_000)
  expect(await node.list()).toMatchObject([{ isLive: true }])
  await age(3_500)
  const [before] = await node.list()
  expect(before?.isLive).toBe(false)
  await time.pass(1_000)
  await until(4)
  expect(await node.list()).toMatchObject([{ isLive: true, startedAt: before?.startedAt }])
  await postgres.query(`DELETE FROM ${postgres.schema}.nodes`)
  await time.pass(1_000)
  await until(6)
  expect(await node.list()).toMatchObject([{ id: node.id, startedAt: before?.startedAt }])
})

test('the live nodes come first, each part in the order of their starts', async () => {
  const names = ['dead', 'one', 'two', 'left']
  const nodes: FleetNodes[] = []
  for (const name of names) nodes.push(await join({ name }))
  const { schema } = postgres
  await postgres.query(`UPDATE ${schema}.nodes SET started_at = array_position($1::text[], name)`, [names])
  await postgres.query(`UPDATE ${schema}.nodes SET seen_at = seen_at - 60000 WHERE name IN ('dead', 'left')`)
  expect((await nodes[0]?.list())?.map(({ name }) => name)).toEqual(['one', 'two', 'dead', 'left'])
})

test('a node that is dead for a day is forgotten, and no other', async () => {
  const dead = await join({ name: 'dead' })
  await age(86_400_000 - 30_000)
  const time = createTestTime()
  const { postgres: watched, until } = counted()
  await join({ name: 'live', postgres: watched, scheduler: time.scheduler })
  const names = async (): Promise<readonly string[]> => (await dead.list()).map(({ name }) => name).sort()
  await time.pass(60_000)
  await until(3)
  expect(await names()).toContain('dead')
  await postgres.query(`UPDATE ${postgres.schema}.nodes SET seen_at = seen_at - 60000 WHERE name = 'dead'`)
  await time.pass(60_000)
  for (let looks = 4; (await names()).includes('dead'); looks += 1) await until(looks)
  expect(await names()).toEqual(['live'])
})

test('a look for dead nodes that fails does not say that this node is not seen', async () => {
  const time = createTestTime()
  const { telemetry, names } = collectEvents()
  const looked = Promise.withResolvers<void>()
  await join({
    scheduler: time.scheduler,
    telemetry,
    postgres: {
      schema: postgres.schema,
      async query<Row extends object>(text: string, values?: readonly unknown[]) {
        if (!text.startsWith('DELETE') || values !== undefined) return postgres.query<Row>(text, values)
        looked.resolve()
        throw new Fault('store_unavailable', 'out')
      },
    },
  })
  await time.pass(60_000)
  await looked.promise
  await time.settle()
  expect(names).toEqual([])
})

test('a node starts and ends while the database is out, and says so once', async () => {
  await using server = await startPostgres()
  const own = await openPostgres({ url: server.url, fault: 'store_unavailable' })
  onTestFinished(own.close)
  for (const statement of [`CREATE SCHEMA ${own.schema}`, ...nodesSchema(own.schema)])
    await own.query(statement)
  const { telemetry, names, until } = collectEvents()
  server.kill()
  const time = createTestTime()
  const node = await join({ postgres: own, telemetry, scheduler: time.scheduler })
  await expect(node.list()).rejects.toBeInstanceOf(Fault)
  await time.pass(1_000)
  await server.start()
  while (!names.includes('node.seen')) await time.pass(1_000)
  expect(await node.list()).toMatchObject([{ id: node.id, isLive: true }])
  server.kill()
  await node.end()
  await until('node.seen')
  expect(names).toEqual(['node.not_seen', 'node.seen', 'node.not_seen'])
})
