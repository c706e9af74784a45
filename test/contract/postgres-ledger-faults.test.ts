import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { prepareSchema } from '../../src/storage/postgres/schema.ts'
import { collectEvents } from '../support/collect-events.ts'
import { type OwnService, startPostgres } from '../support/services.ts'
import { checkChains, readAll, requestOf } from './ledger.contract.ts'
import { type LedgerSchema, ledgerIn } from './postgres-ledgers.ts'

const unavailable = { name: 'Fault', code: 'ledger_unavailable' }

let server: OwnService
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server[Symbol.asyncDispose]())

async function prepare(name: string): Promise<LedgerSchema> {
  const url = new URL(server.url)
  url.searchParams.set('schema', name)
  await prepareSchema(url.href)
  return ledgerIn(url.href)
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await nextTurn()
}

/**
 * Resolves behind all that is due before: a process that stalls does all of it late, and in its
 * order.
 */
async function dueAfter(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
  await someTurns()
}

/** Appends with so many in flight until it is stopped; gives what was acknowledged. */
function load(append: (name: string) => Promise<void>, inFlight: number) {
  const acknowledged: string[] = []
  let isOn = true
  let number = 0
  async function go(): Promise<void> {
    while (isOn) {
      const name = `r-${number++}`
      await append(name).then(
        () => acknowledged.push(name),
        // Refused at once during an outage: let the others have their turn.
        nextTurn,
      )
    }
  }
  const all = Array.from({ length: inFlight }, go)
  return {
    acknowledged,
    async until(count: number): Promise<void> {
      while (acknowledged.length < count) await nextTurn()
    },
    async stop(): Promise<void> {
      isOn = false
      await Promise.all(all)
    },
  }
}

describe('a ledger whose PostgreSQL', () => {
  test('is killed again and again under load of two nodes: nothing acknowledged is lost, nothing is there twice', async () => {
    const { open, inspect } = await prepare('killed')
    const { telemetry, names } = collectEvents()
    const nodes = [await open({ node: 'a', telemetry }), await open({ node: 'b' })]
    const loads = nodes.map((ledger, index) =>
      load((name) => ledger.append(requestOf({ requestId: `${index} ${name}` })), 32),
    )
    for (let round = 1; round <= 5; round += 1) {
      await Promise.all(loads.map(({ until, acknowledged }) => until(acknowledged.length + 300)))
      server.kill()
      await server.start()
    }
    await Promise.all(loads.map(({ until, acknowledged }) => until(acknowledged.length + 300)))
    await Promise.all(loads.map(({ stop }) => stop()))
    const [first] = nodes
    if (first === undefined) return
    const records = await readAll(first)
    checkChains(records)
    const ids = records.flatMap(({ requestId }) => requestId ?? [])
    const kept = new Set(ids)
    expect(kept.size).toBe(ids.length)
    const lost = loads.flatMap(({ acknowledged }, index) =>
      acknowledged.filter((name) => !kept.has(`${index} ${name}`)),
    )
    expect(lost).toEqual([])
    expect((await inspect.verify({})).firstBroken).toBeUndefined()
    const told = names.filter((name) => name !== 'ledger.maintenance_failed')
    // What comes and goes many times a minute is no pair of events each time.
    expect(told.slice(0, 3)).toEqual(['ledger.unreachable', 'ledger.back', 'ledger.unreachable'])
    expect(told.length).toBeLessThan(10)
  })

  test('is frozen: what comes is refused within its time, and recorded again once it answers', async () => {
    const { open, inspect } = await prepare('frozen')
    const { telemetry, names, until } = collectEvents()
    const ledger = await open({ telemetry })
    await ledger.append(requestOf({ requestId: 'before' }))
    server.freeze()
    const late = dueAfter(2_500).then(() => 'refused late')
    const first = ledger.append(requestOf({ requestId: 'first' }))
    // Behind the commit that is on its way by then, and not with it.
    await someTurns()
    const behind = ledger.append(requestOf({ requestId: 'behind' }))
    const settled = Promise.allSettled([first, behind])
    expect(await Promise.race([settled, late])).toMatchObject([
      { reason: unavailable },
      { reason: unavailable },
    ])
    await expect(ledger.append(requestOf({ requestId: 'at once' }))).rejects.toMatchObject(unavailable)
    await expect(ledger.ensureWritable()).rejects.toMatchObject(unavailable)
    server.thaw()
    await until('ledger.back')
    await ledger.append(requestOf({ requestId: 'after' }))
    const ids = (await readAll(ledger, { event: 'request.admitted' })).map(({ requestId }) => requestId)
    // What had reached the server was written once it could: that is true.
    expect(ids.filter((id) => id !== 'first')).toEqual(['before', 'after'])
    expect((await inspect.verify({})).firstBroken).toBeUndefined()
    expect(names.filter((name) => name !== 'ledger.maintenance_failed')).toEqual([
      'ledger.unreachable',
      'ledger.back',
    ])
  })

  test('is out when the ledger is opened: it opens, refuses, and records once there is one', async () => {
    const { open } = await prepare('late')
    await server.stop()
    const { telemetry, until } = collectEvents()
    const ledger = await open({ telemetry })
    await expect(ledger.append(requestOf())).rejects.toMatchObject(unavailable)
    await expect(ledger.query({ limit: 1, order: 'newest' })).rejects.toMatchObject(unavailable)
    await server.start()
    await until('ledger.back')
    await ledger.append(requestOf())
    expect(await readAll(ledger, { event: 'request.admitted' })).toHaveLength(1)
  })

  test('ends the connection: only what was on its way is refused, and the next is recorded', async () => {
    const { open, sql } = await prepare('cut')
    const { telemetry, names } = collectEvents()
    const ledger = await open({ telemetry })
    await ledger.append(requestOf())
    await sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`,
    )
    const settled = await Promise.allSettled([ledger.append(requestOf({ requestId: 'next' }))])
    await ledger.append(requestOf({ requestId: 'then' }))
    const ids = (await readAll(ledger, { event: 'request.admitted' })).map(({ requestId }) => requestId)
    expect(ids.at(-1)).toBe('then')
    if (settled[0]?.status === 'fulfilled') expect(ids).toContain('next')
    expect(names.filter((name) => name === 'ledger.unreachable').length).toBeLessThanOrEqual(1)
  })

  test('is out when the ledger is closed: it closes, and says what has no end', async () => {
    const { open } = await prepare('closing')
    const { telemetry, names } = collectEvents()
    const ledger = await open({ telemetry })
    await ledger.append(requestOf())
    await server.stop()
    await expect(ledger.append(requestOf())).rejects.toMatchObject(unavailable)
    await ledger.close()
    expect(names.at(-1)).toBe('ledger.not_closed')
    await server.start()
  })
})
