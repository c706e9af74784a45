import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startServer } from '../../src/server/start-server.ts'
import { ask, until } from '../e2e/ask-node.ts'
import { openTestFleet } from '../e2e/open-fleet.ts'
import type { ServeProcess } from '../e2e/run-cli.ts'
import { serverDefaults } from '../parity/start-server-target.ts'
import { startPostgres, startRedis } from '../support/services.ts'

const requests = 300

interface Line {
  readonly event?: string
  readonly since?: string
}

function eventsIn(log: string): readonly Line[] {
  const lines = log.split('\n').filter((line) => line.startsWith('{"level"'))
  return lines.map((line) => JSON.parse(line) as Line).filter(({ event }) => event !== undefined)
}

function namesIn({ log }: Pick<ServeProcess, 'log'>): readonly (string | undefined)[] {
  return eventsIn(log()).map(({ event }) => event)
}

/**
 * Whether no outage is open in the log. On a slow machine there may have been one at the start:
 * another soon after is one with the first, or over a minute after it.
 */
function isOver(what: 'limiter' | 'store', node: ServeProcess): boolean {
  const count = (name: string): number => namesIn(node).filter((each) => each === name).length
  return count(`${what}.unreachable`) === count(`${what}.back`)
}

async function askOften(node: ServeProcess, key: string): Promise<readonly number[]> {
  const statuses: number[] = []
  for (let asked = 0; asked < requests; asked += 10) {
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(node, key)))
    statuses.push(...answers.map(({ status }) => status))
  }
  return statuses
}

test('a Redis that is killed is two events, however many requests it costs', async () => {
  await using redis = await startRedis()
  await using fleet = await openTestFleet({ redisUrl: redis.url })
  await using node = await fleet.start('--limit-default', '100000/s')
  const { key } = await fleet.createKey()
  await until(node, key, { status: 200 })
  await expect.poll(() => isOver('limiter', node), { timeout: 100_000 }).toBe(true)
  const before = namesIn(node).length
  redis.kill()
  await until(node, key, { status: 503 })
  expect(await askOften(node, key)).toEqual(Array.from({ length: requests }, () => 503))
  await redis.start()
  await until(node, key, { status: 200 })
  const names = (): readonly (string | undefined)[] => namesIn(node).slice(before)
  await expect.poll(names, { timeout: 100_000 }).toContain('limiter.back')
  expect(names()).toEqual(['limiter.unreachable', 'limiter.back'])
  // All that it counted was in its memory.
  expect(eventsIn(node.log()).at(-1)).toMatchObject({ event: 'limiter.back', forgot: true })
}, 300_000)

test('a PostgreSQL that is killed is two events, however many requests and subjects it costs', async () => {
  await using postgres = await startPostgres()
  await using fleet = await openTestFleet({ databaseUrl: postgres.url })
  await using node = await fleet.start('--limit-default', '100000/day')
  const { key } = await fleet.createKey()
  await until(node, key, { status: 200 })
  await expect.poll(() => isOver('store', node), { timeout: 100_000 }).toBe(true)
  const before = namesIn(node).length
  postgres.kill()
  await until(node, key, { status: 503 })
  expect(await askOften(node, key)).toEqual(Array.from({ length: requests }, () => 503))
  const names = (): readonly (string | undefined)[] => namesIn(node).slice(before)
  await expect.poll(names, { timeout: 50_000 }).toContain('store.unreachable')
  await postgres.start()
  await until(node, key, { status: 200 })
  await expect.poll(names, { timeout: 100_000 }).toContain('store.back')
  expect(names()).toEqual(['store.unreachable', 'store.back'])
  const [began, ended] = eventsIn(node.log()).slice(before)
  expect(began).toMatchObject({ store: 'PostgreSQL', attempts: 1 })
  expect(ended).toMatchObject({ store: 'PostgreSQL', since: began?.since })
}, 300_000)

test('a ledger whose file is away is two events, and one more for each minute', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-outages-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const data = join(folder, 'data')
  const time = { now: Date.UTC(2026, 5, 1) }
  const log: string[] = []
  let key = ''
  const server = await startServer({
    ...serverDefaults,
    data,
    clock: () => time.now,
    logStream: { write: (line) => log.push(line) },
    firstKeys: 'report',
    onFirstKeys: (report) => {
      if ('keys' in report) key = report.keys.demo
    },
  })
  onTestFinished(() => server.close())
  const statusOf = async (): Promise<number> => (await ask(server, key)).status
  expect(await statusOf()).toBe(200)
  renameSync(join(data, 'ledger.db'), join(folder, 'ledger.db'))
  for (let minute = 0; minute < 3; minute += 1) {
    for (let asked = 0; asked < 50; asked += 1) expect(await statusOf()).toBe(503)
    time.now += 60_000
  }
  renameSync(join(folder, 'ledger.db'), join(data, 'ledger.db'))
  for (let asked = 0; asked < 50; asked += 1) expect(await statusOf()).toBe(200)
  const told = eventsIn(log.join('')).filter(({ event }) => event?.startsWith('ledger.'))
  const since = new Date(Date.UTC(2026, 5, 1)).toISOString()
  // Maintenance and checkpoints have events of their own, that the test's clock leaps among them.
  const others = ['ledger.maintenance_failed', 'ledger.clock_jumped', 'ledger.checkpoint']
  expect(told.filter(({ event = '' }) => !others.includes(event))).toMatchObject([
    { event: 'ledger.unreachable', since },
    { event: 'ledger.unreachable', since },
    { event: 'ledger.unreachable', since },
    { event: 'ledger.back', since },
  ])
})
