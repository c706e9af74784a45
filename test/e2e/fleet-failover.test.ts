import { describe, expect, onTestFinished, test } from 'vitest'
import { openDatabaseProxy } from '../support/database-proxy.ts'
import { type OwnService, startBeside, startPostgres, startRedis } from '../support/services.ts'
import { ask, type Node, readyStatus, runRedis, runSql, until } from './ask-node.ts'
import { openTestFleet, predict, type TestFleet, type TestFleetOptions } from './open-fleet.ts'
import type { ServeProcess } from './run-cli.ts'

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
    const seen: number[] = []
    for (const node of nodes) seen.push((await ask(node, revoked.key)).status)
    await runSql(standby.url, 'SELECT pg_promote(true)')
    proxy.turnTo(standby.url)
    for (const node of nodes) {
      await until(node, key, { status: 200 })
      seen.push((await ask(node, revoked.key)).status)
      await expect.poll(() => readyStatus(node), { timeout: 20_000 }).toBe(200)
    }
    expect(seen.filter((status) => status !== 403 && status !== 503)).toEqual([])
    expect(seen.slice(2)).toEqual([403, 403])
    stopping.abort()
    const answered = (await Promise.all(asking)).flat()
    expect(answered.length).toBeGreaterThan(20)
    expect(await fleet.run('ledger', 'verify')).toMatchObject({ ok: true })
    const recorded = await readRequests(fleet, key)
    expect(answered.filter((id) => recorded.get(id) !== 1)).toEqual([])
  })
})
