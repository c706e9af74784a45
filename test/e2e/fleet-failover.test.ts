import { describe, expect, onTestFinished, test } from 'vitest'
import { readRecords } from '../reliability/kill-fleet.ts'
import { openDatabaseProxy } from '../support/database-proxy.ts'
import { startBeside, startPostgres, startRedis } from '../support/services.ts'
import { ask, type Node, readyStatus, runRedis, runSql, until } from './ask-node.ts'
import { openTestFleet, predict, type TestFleet, type TestFleetOptions } from './open-fleet.ts'
import type { ServeProcess } from './run-cli.ts'

const patient = { timeout: 30_000 }

async function ending<Opened extends AsyncDisposable>(opening: Promise<Opened>): Promise<Opened> {
  const opened = await opening
  onTestFinished(() => opened[Symbol.asyncDispose]())
  return opened
}

/** A fleet of two nodes. */
async function openNodes(options: TestFleetOptions): Promise<{
  readonly fleet: TestFleet
  readonly nodes: readonly ServeProcess[]
}> {
  const fleet = await ending(openTestFleet(options))
  const start = (): Promise<ServeProcess> => ending(fleet.start('--limit-default', 'none'))
  return { fleet, nodes: await Promise.all([start(), start()]) }
}

/** Asks without a pause until it is stopped; returns the request ids of the model's answers. */
async function askAll(node: Node, key: string, stopping: AbortSignal): Promise<readonly string[]> {
  const answered: string[] = []
  while (!stopping.aborted) {
    const answer = await predict(node, key)
    await answer.text()
    if (answer.status === 200) answered.push(answer.headers.get('x-request-id') ?? '')
    else expect(answer.status).toBe(503)
  }
  return answered
}

describe('PostgreSQL with a synchronous standby', () => {
  test('killed, and the standby promoted: no record of an answer is lost, no revoked key is admitted, and the nodes come back', async () => {
    const primary = await ending(startPostgres({ synchronous_standby_names: '*' }))
    const standby = await ending(startBeside('postgres', primary.url))
    const proxy = await ending(openDatabaseProxy(primary.url))
    const { fleet, nodes } = await openNodes({ databaseUrl: proxy.url })
    const { key } = await fleet.createKey()
    const stopping = new AbortController()
    const asking = nodes.flatMap((node) => [1, 2, 3].map(() => askAll(node, key, stopping.signal)))
    const revoked = await fleet.createKey()
    for (const node of nodes) await until(node, revoked.key, { status: 200 })
    await fleet.run('keys', 'revoke', revoked.id)
    primary.kill()
    const revokedAt = performance.now()
    await runSql(standby.url, 'SELECT pg_promote(true)')
    proxy.turnTo(standby.url)
    for (const node of nodes) {
      // 503 while there is none, then 403. What was cached may live for the lease, and no longer.
      for (let status = 0; status !== 403; ) {
        status = (await ask(node, revoked.key)).status
        if (status === 200) expect(performance.now() - revokedAt).toBeLessThan(5_000)
        else expect([403, 503]).toContain(status)
      }
      await until(node, key, { status: 200 })
      await expect.poll(() => readyStatus(node), { timeout: 20_000 }).toBe(200)
    }
    stopping.abort()
    const answered = (await Promise.all(asking)).flat()
    expect(answered.length).toBeGreaterThan(20)
    expect(await fleet.run('ledger', 'verify')).toMatchObject({ ok: true })
    const { counts } = await readRecords(fleet, revoked.id)
    expect(answered.filter((id) => counts.get(id) !== 1)).toEqual([])
  })
})

/** What is left of a key's one limit. */
async function remainingOf(fleet: TestFleet, id: string): Promise<number> {
  const { limits } = await fleet.run<{ readonly limits: readonly { readonly remaining: number }[] }>(
    ...['limits', 'explain', id],
  )
  return limits[0]?.remaining ?? Number.NaN
}

describe('where Redis is', () => {
  test('sentinels tell, also after its primary was killed: short windows wait for one window, long ones go on', async () => {
    const primary = await ending(startRedis())
    const replica = await ending(startBeside('redis', primary.url))
    const sentinel = await ending(startBeside('sentinel', primary.url))
    const watching = `redis://127.0.0.1:${new URL(sentinel.url).port}`
    const info = async (url: string, about: string): Promise<string> =>
      (await runRedis(url, `INFO ${about}`)).join()
    await expect.poll(() => info(replica.url, 'replication'), patient).toContain('master_link_status:up')
    await expect.poll(() => info(watching, 'sentinel'), patient).toContain('slaves=1')
    const { fleet, nodes } = await openNodes({ redisUrl: sentinel.url })
    const short = (await fleet.createKey('--limit', '10/3s')).key
    const { id, key: long } = await fleet.createKey('--limit', '640/day')
    for (const node of nodes) {
      await until(node, short, { status: 200 })
      for (let use = 0; use < 50; use += 1) expect(await ask(node, long)).toMatchObject({ status: 200 })
    }
    primary.kill()
    const minute = (await fleet.createKey('--limit', '10/min')).key
    for (const node of nodes) {
      await until(node, long, { status: 200 })
      const waiting = await ask(node, minute)
      expect(waiting).toMatchObject({ status: 503, code: 'limiter_unavailable' })
      expect(waiting.retryAfter).toBeGreaterThan(30)
    }
    // Of both nodes first: where this is said a minute later, nothing waits any more.
    for (const node of nodes) {
      // Said a minute later where a slow machine had an outage at the start: both are one pair.
      await expect.poll(node.log, { timeout: 90_000 }).toMatch(/"limiter\.back",.*"forgot":true/)
      await until(node, short, { status: 200 })
    }
    expect(await info(replica.url, 'replication')).toContain('role:master')
    // 102 at least are used, and 1/64 more at most.
    const remaining = await remainingOf(fleet, id)
    expect(remaining).toBeLessThanOrEqual(640 - 102)
    expect(remaining).toBeGreaterThanOrEqual(640 - 102 - 10 - 4)
  }, 300_000)

  test('a node of a cluster tells: one deployment’s keys are in one slot', async () => {
    const redis = await ending(startRedis({ 'cluster-enabled': 'yes' }))
    await runRedis(redis.url, 'CLUSTER ADDSLOTSRANGE 0 16383')
    const stated = async (): Promise<string> => (await runRedis(redis.url, 'CLUSTER INFO')).join()
    await expect.poll(stated, patient).toContain('cluster_state:ok')
    const url = redis.url.replace('redis:', 'redis+cluster:').replace(/\/0$/, '')
    const { fleet, nodes } = await openNodes({ redisUrl: url })
    const { key } = await fleet.createKey('--limit', '4/min', '--limit', '100/day', '--limit', '8 concurrent')
    const asked = [0, 1, 0, 1, 0, 1].map((index) => ask(nodes[index] as Node, key))
    const statuses = (await Promise.all(asked)).map(({ status }) => status)
    expect(statuses.sort()).toEqual([200, 200, 200, 200, 429, 429])
    redis.kill()
    await redis.start()
    const { key: long } = await fleet.createKey('--limit', '100/day')
    for (const node of nodes) await until(node, long, { status: 200 })
  })
})
