import { describe, expect, onTestFinished, test } from 'vitest'
import { processScheduler, type Scheduler } from '../../src/core/scheduler.ts'
import { apiKeyHeader } from '../../src/guard/scheme.ts'
import type { NewKey } from '../../src/keys/fields/new-key.ts'
import { createInProcessLimiter } from '../../src/limits/in-process/in-process-limiter.ts'
import { prepareSchema } from '../../src/storage/postgres/schema.ts'
import { gatherStorage } from '../../src/ward/test-ward.ts'
import { createWard, type Ward } from '../../src/ward/ward.ts'
import { openDatabaseProxy } from '../support/database-proxy.ts'
import { headOf, stillScheduler } from '../support/open-test-ward.ts'
import { openTestSchema, startPostgres } from '../support/services.ts'
import { peppers } from './key-fixtures.ts'
import { openPostgresKeys } from './postgres-keys.ts'

interface OpenedWard {
  readonly ward: Ward
  /** Of the lease, milliseconds. */
  readonly time: { monotonic: number }
  /** `admitted`, or why not. */
  readonly tries: (text: string) => Promise<string>
  /** Tries until it is refused. */
  readonly refusal: (text: string) => Promise<string>
  /** Tries until the key is held in memory: it is not where a change is told meanwhile. */
  readonly hold: (text: string) => Promise<void>
}

/**
 * Connects again, as it may have to on a busy machine, and does no more: each 200 ms it would ask
 * while it cannot listen.
 */
const reconnecting: Scheduler = {
  ...processScheduler,
  after: (ms, run) => (ms < 200 ? processScheduler.after(ms, run) : () => {}),
}

/**
 * A node: a ward over keys of its own connections, which never polls.
 *
 * @param scheduler of the connection that listens: by default it is not asked either
 * @param deadlines where its server is frozen
 * @param hears whether it is told of changes
 */
async function openNode(
  url: string,
  {
    scheduler = reconnecting,
    hears = true,
    ...options
  }: Parameters<typeof openPostgresKeys>[1] & { readonly hears?: boolean } = {},
): Promise<OpenedWard> {
  const { store, close } = await openPostgresKeys(url, { scheduler, ...options })
  const { onChange, ...untold } = store
  // From then on it hears.
  if (hears) await new Promise<void>((resolve) => onChange(resolve))
  const time = { monotonic: 0 }
  const monotonic = (): number => time.monotonic
  const storage = gatherStorage({
    keys: { ...untold, ...(hears && { onChange }), close },
    ledger: undefined,
    jobs: undefined,
    limiter: createInProcessLimiter({ clock: Date.now, monotonic }),
    secrets: { peppers },
  })
  const ward = await createWard(storage, {
    schemes: [apiKeyHeader({ name: 'X-API-Key' })],
    format: { prefix: 'mw', environment: 'live' },
    monotonic,
    scheduler: stillScheduler,
  })
  onTestFinished(ward.close)
  async function tries(text: string): Promise<string> {
    const verdict = await ward.admit(headOf({ 'x-api-key': text }))
    return verdict.admitted ? 'admitted' : verdict.refusal.code
  }
  return {
    ward,
    time,
    tries,
    async refusal(text) {
      let outcome = await tries(text)
      while (outcome === 'admitted') {
        // What is held in memory is decided without a turn of the event loop.
        await processScheduler.yieldTurn()
        outcome = await tries(text)
      }
      return outcome
    },
    async hold(text) {
      while (ward.cachedKeys() === 0) expect(await tries(text)).toBe('admitted')
    },
  }
}

const newKey: NewKey = { name: 'one', scopes: [] }
/** Of a server that is frozen, and answers a busy machine in time before and after. */
const deadlines = { queryTimeoutMs: 2_000, connectTimeoutMs: 2_000 }
const outage = { name: 'Fault', code: 'store_unavailable' }

describe('two nodes', () => {
  test('a key that is revoked on one is refused on the other without a poll', async () => {
    const { url, drop } = await openTestSchema()
    onTestFinished(drop)
    const [one, two] = [await openNode(url), await openNode(url)]
    const { record, text } = await one.ward.keys.create(newKey)
    await two.hold(text)
    await one.ward.keys.revoke(record.id)
    expect(await two.refusal(text)).toBe('key_revoked')
  })

  test('a key that is revoked on one is refused on the other where nothing is pushed', async () => {
    const { url, drop } = await openTestSchema()
    onTestFinished(drop)
    await using pooler = await openDatabaseProxy(url, { loses: 'notifications' })
    const [one, two] = [await openNode(url), await openNode(pooler.url, { scheduler: processScheduler })]
    const { record, text } = await one.ward.keys.create(newKey)
    await two.hold(text)
    await one.ward.keys.revoke(record.id)
    expect(await two.refusal(text)).toBe('key_revoked')
  })

  test('behind a frozen connection a revoked key lives for the lease and no longer: then 503, and refused once it is back', async () => {
    const { url, drop } = await openTestSchema()
    onTestFinished(drop)
    await using way = await openDatabaseProxy(url)
    const [one, two] = [await openNode(url), await openNode(way.url, { deadlines })]
    const { record, text } = await one.ward.keys.create(newKey)
    await two.ward.refresh()
    await two.hold(text)
    way.freeze()
    await one.ward.keys.revoke(record.id)
    two.time.monotonic = 5_000
    expect(await two.tries(text)).toBe('admitted')
    await expect(two.ward.refresh()).rejects.toMatchObject(outage)
    two.time.monotonic = 5_001
    await expect(two.tries(text)).rejects.toMatchObject(outage)
    way.thaw()
    await two.ward.refresh()
    expect(await two.tries(text)).toBe('key_revoked')
  })
})

test('while PostgreSQL is frozen cached keys live for the lease and no longer, and others are 503', async () => {
  await using server = await startPostgres()
  const url = `${server.url}?schema=own`
  await prepareSchema(url)
  // Late word of its own changes would drop the key that is held.
  const node = await openNode(url, { deadlines, hears: false })
  const [cached, other] = [await node.ward.keys.create(newKey), await node.ward.keys.create(newKey)]
  await node.hold(cached.text)
  await node.ward.refresh()
  server.freeze()
  node.time.monotonic = 5_000
  expect(await node.tries(cached.text)).toBe('admitted')
  await expect(node.tries(other.text)).rejects.toMatchObject(outage)
  node.time.monotonic = 5_001
  await expect(node.tries(cached.text)).rejects.toMatchObject(outage)
  await expect(node.ward.keys.revoke(cached.record.id)).rejects.toMatchObject(outage)
  server.thaw()
  await node.ward.refresh()
  expect(await node.tries(cached.text)).toBe('admitted')
  await node.ward.keys.revoke(cached.record.id)
  expect(await node.tries(cached.text)).toBe('key_revoked')
})
