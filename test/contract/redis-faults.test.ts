import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { createClient } from '@redis/client'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Fault } from '../../src/core/fault.ts'
import { SetupError } from '../../src/core/setup-error.ts'
import {
  openRedisLimiter,
  type RedisLimiter,
  type RedisLimiterOptions,
} from '../../src/storage/redis/redis-limiter.ts'
import { collectEvents } from '../support/collect-events.ts'
import { createFleetStores } from '../support/fleet-stores.ts'
import { selfSigned } from '../support/self-signed.ts'
import { redisUrl, startRedis } from '../support/services.ts'
import { useOf } from './limiter.contract.ts'

const minute = useOf('key:a', '5/min')
const hour = useOf('key:a', '100/h')
const atOnce = useOf('key:a', '3 concurrent')

function open(options: Partial<RedisLimiterOptions> & { readonly url: string }) {
  const { telemetry, ...collected } = collectEvents()
  const stores = createFleetStores()
  // Where the deadline is no matter, a busy machine meets it.
  const deadlineMs = 5_000
  const opening = openRedisLimiter({
    ...{ deployment: randomUUID(), ...stores, telemetry, deadlineMs, ...options },
  })
  return opening.then((limiter) => {
    onTestFinished(() => limiter.close())
    return { limiter, stores, ...collected }
  })
}

/** A client of the test's own, to do harm with. */
async function openClient(url: string) {
  const client = createClient({ url, RESP: 2 })
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => client.destroy())
  return client
}

async function faultOf(work: unknown): Promise<Fault> {
  const thrown: unknown = await Promise.resolve(work).then(
    (value) => value,
    (error: unknown) => error,
  )
  if (!(thrown instanceof Fault)) throw new Error(`expected a fault, got ${JSON.stringify(thrown)}`)
  return thrown
}

async function passes(work: unknown): Promise<boolean> {
  return Promise.resolve(work).then(
    () => true,
    () => false,
  )
}

/** A server of its own, whose clock goes on: nothing but asking tells when it can be counted in. */
async function untilReady(limiter: RedisLimiter): Promise<void> {
  await expect.poll(() => limiter.isReady(), { interval: 5, timeout: 30_000 }).toBe(true)
}

/** Windows pass by the clock of Redis itself. */
async function untilPasses(take: () => unknown): Promise<void> {
  await expect.poll(() => passes(take()), { interval: 20, timeout: 30_000 }).toBe(true)
}

describe('a start', () => {
  test.each([
    ['a wrong password', (url: URL) => Object.assign(url, { password: 'wrong' }), /password is wrong/],
    ['no password', (url: URL) => Object.assign(url, { password: '' }), /password is wrong/],
    ['a database that is not there', (url: URL) => Object.assign(url, { pathname: '/999' }), /no database/],
  ])('with %s is refused, naming it and not the password', async (_name, change, says) => {
    const right = new URL(await redisUrl())
    const { password } = right
    const thrown: unknown = await open({ url: change(new URL(right)).href }).catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(SetupError)
    const { code, message, cause } = thrown as SetupError
    expect(code).toBe('redis_unreachable')
    expect(message).toMatch(says)
    expect(message).toContain(right.host)
    expect(`${message} ${(thrown as SetupError).stack} ${String(cause)}`).not.toContain(password)
  })

  test('over TLS with a server that does not speak it is refused', async () => {
    const thrown: unknown = await open({ url: (await redisUrl()).replace('redis:', 'rediss:') }).catch(
      (error: unknown) => error,
    )
    expect(thrown).toMatchObject({ code: 'redis_unreachable', message: expect.stringMatching(/TLS/) })
  })

  test('over TLS with a certificate that nothing trusts is refused', async () => {
    const server = createTlsServer(selfSigned('localhost'))
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const { port } = server.address() as { readonly port: number }
    await expect(open({ url: `rediss://:secret@localhost:${port}` })).rejects.toMatchObject({
      code: 'redis_unreachable',
      message: expect.stringMatching(/certificate is not trusted/),
    })
  })

  test.each(['http://host', 'redis://', 'redis://a,b', 'redis+sentinel://host:26379', 'redis+cluster://a/3'])(
    'with the URL %s is refused',
    async (url) => {
      await expect(open({ url })).rejects.toMatchObject({ code: 'config_invalid' })
    },
  )

  test('without Redis opens all the same, counts nothing, and counts once Redis is there', async () => {
    await using redis = await startRedis()
    await redis.stop()
    const { limiter, names } = await open({ url: redis.url })
    expect((await faultOf(limiter.take([minute]))).code).toBe('limiter_unavailable')
    expect(await limiter.isReady()).toBe(false)
    await redis.start()
    await untilReady(limiter)
    expect((await limiter.take([minute])).refusal).toBeUndefined()
    expect(names).toEqual(['limiter.unreachable', 'limiter.back'])
  })

  test('warns where Redis may evict what was counted', async () => {
    await using redis = await startRedis({ 'maxmemory-policy': 'allkeys-lru' })
    const { events } = await open({ url: redis.url })
    expect(events).toMatchObject([{ name: 'limiter.may_forget', fields: { policy: 'allkeys-lru' } }])
  })
})

describe('an outage', () => {
  test('of a frozen Redis: every take of a call is unavailable at its deadline, then at once, and none is sent again', async () => {
    await using redis = await startRedis()
    const { limiter, stores, names, until } = await open({ url: redis.url, deadlineMs: 1_000 })
    await limiter.take([minute])
    redis.freeze()
    const faults = await Promise.all(Array.from({ length: 3 }, () => faultOf(limiter.take([minute]))))
    expect(faults.map(({ code }) => code)).toEqual(Array(3).fill('limiter_unavailable'))
    await until('limiter.unreachable')
    const nextTurn = new Promise((resolve) => setImmediate(resolve, 'it waits'))
    expect(await Promise.race([faultOf(limiter.take([minute])), nextTurn])).toBeInstanceOf(Fault)
    redis.thaw()
    await untilReady(limiter)
    // What was on its way was counted once it thawed, and was not sent again: 4 at most.
    const [state] = (await limiter.peek([minute])).states
    expect(state?.remaining).toBe(1)
    expect(stores.rows.size).toBe(0)
    expect(names).toEqual(['limiter.unreachable', 'limiter.back'])
  })

  test('of a read-only Redis: the connection is dropped, and it is counted again once it is writable', async () => {
    await using redis = await startRedis()
    const { limiter } = await open({ url: redis.url })
    await limiter.take([minute])
    const client = await openClient(redis.url)
    await client.sendCommand(['REPLICAOF', '127.0.0.1', '1'])
    expect((await faultOf(limiter.take([minute]))).message).toMatch(/READONLY/)
    expect((await faultOf(limiter.take([minute]))).code).toBe('limiter_unavailable')
    await client.sendCommand(['REPLICAOF', 'NO', 'ONE'])
    await untilReady(limiter)
  })

  test('of a full Redis: nothing is counted, and all of it again when there is room', async () => {
    await using redis = await startRedis()
    const { limiter } = await open({ url: redis.url })
    await limiter.take([minute, atOnce])
    const client = await openClient(redis.url)
    await client.sendCommand(['CONFIG', 'SET', 'maxmemory', '1'])
    expect((await faultOf(limiter.take([minute, atOnce]))).message).toMatch(/OOM/)
    await client.sendCommand(['CONFIG', 'SET', 'maxmemory', '0'])
    await untilReady(limiter)
    expect((await limiter.peek([minute, atOnce])).states).toMatchObject([{ remaining: 4 }, { remaining: 2 }])
  })

  test('of a password that was changed: 503 and no other code, and back with the right one', async () => {
    await using redis = await startRedis()
    const { limiter, events, until } = await open({ url: redis.url })
    const client = await openClient(redis.url)
    await client.sendCommand(['CONFIG', 'SET', 'requirepass', 'other'])
    await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])
    await until('limiter.unreachable')
    expect((await faultOf(limiter.take([minute]))).status).toBe(503)
    await client.sendCommand(['CONFIG', 'SET', 'requirepass', new URL(redis.url).password])
    await untilReady(limiter)
    expect(JSON.stringify(events)).not.toContain(new URL(redis.url).password)
  })

  test('of PostgreSQL: what fits the spare goes on, the rest and long limits that Redis lost are unavailable', async () => {
    const { limiter, stores, names } = await open({ url: await redisUrl() })
    await limiter.take([hour])
    stores.fault = new Fault('store_unavailable', 'PostgreSQL is away')
    expect(await faultOf(limiter.take([hour]))).toMatchObject({
      code: 'limiter_unavailable',
      cause: stores.fault,
    })
    expect((await limiter.take([minute])).refusal).toBeUndefined()
    const shadow = useOf('key:a', 'shadow 100/h')
    expect((await limiter.take([minute, shadow])).refusal).toBeUndefined()
    stores.fault = undefined
    expect((await limiter.take([hour])).states).toMatchObject([{ remaining: 98 }])
    expect(names).toEqual(['limiter.not_persisted', 'limiter.persisted_again'])
  })

  test('closing ends all: what is under way is unavailable, and nothing keeps the process', async () => {
    const { limiter } = await open({ url: await redisUrl() })
    const taking = faultOf(limiter.take([minute]))
    await limiter.close()
    await limiter.close()
    await taking.catch(() => {})
    expect((await faultOf(limiter.take([minute]))).message).toMatch(/closed/)
  })
})

describe('what Redis forgets', () => {
  test.each([
    ['it was flushed', async (url: string) => void (await (await openClient(url)).sendCommand(['FLUSHALL']))],
    [
      'its epoch is an older one',
      async (url: string) => {
        const client = await openClient(url)
        const [key = ''] = ((await client.sendCommand(['KEYS', '{mw:*epoch'])) as string[]).map(String)
        await client.sendCommand(['SET', key, 'older:0:run:0'])
      },
    ],
  ])('short windows are closed for one window where %s, and long ones go on', async (_name, forget) => {
    await using redis = await startRedis()
    const { limiter, until } = await open({ url: redis.url })
    const [short, long] = [useOf('key:a', '2/4s'), useOf('key:a', '5/h')]
    for (let taken = 0; taken < 2; taken += 1) await limiter.take([short, long])
    await forget(redis.url)
    expect((await faultOf(limiter.take([long]))).code).toBe('limiter_unavailable')
    await until('limiter.forgot')
    await untilReady(limiter)
    const fault = await faultOf(limiter.take([short, long]))
    expect(fault).toMatchObject({ code: 'limiter_unavailable', retryAfterSeconds: expect.any(Number) })
    expect(fault.retryAfterSeconds).toBeLessThanOrEqual(4)
    expect((await limiter.take([long])).states).toMatchObject([{ remaining: 2 }])
    // The fault says truly when: no sooner, and not later.
    await untilPasses(() => limiter.take([short]))
    expect((await limiter.peek([short])).states).toMatchObject([{ remaining: 1 }])
  })

  test('a deployment’s first epoch waits for nothing, its second does', async () => {
    await using redis = await startRedis()
    const [stores, deployment] = [createFleetStores(), randomUUID()]
    const nodes = await Promise.all(
      Array.from({ length: 5 }, () => open({ url: redis.url, deployment, ...stores })),
    )
    for (const { limiter } of nodes) expect((await limiter.take([minute])).refusal).toBeUndefined()
    redis.kill()
    await redis.start()
    for (const { limiter } of nodes) {
      await untilReady(limiter)
      expect((await faultOf(limiter.take([minute]))).retryAfterSeconds).toBeGreaterThan(50)
    }
  })

  test('what nodes hold at once they register with a Redis that has lost it', async () => {
    await using redis = await startRedis()
    const [stores, deployment] = [createFleetStores(), randomUUID()]
    const one = await open({ url: redis.url, deployment, ...stores })
    const other = await open({ url: redis.url, deployment, ...stores })
    const { at } = await one.limiter.take([atOnce])
    await other.limiter.take([atOnce])
    redis.kill()
    await redis.start()
    await untilReady(one.limiter)
    expect((await faultOf(one.limiter.take([atOnce]))).retryAfterSeconds).toBeLessThanOrEqual(2)
    await untilReady(other.limiter)
    await untilPasses(() => one.limiter.take([atOnce]))
    expect((await one.limiter.take([atOnce])).refusal).toBeDefined()
    await one.limiter.settle([atOnce], at, [0])
    expect((await other.limiter.peek([atOnce])).states).toMatchObject([{ remaining: 1 }])
  })

  test('keys that were evicted begin a new epoch', async () => {
    await using redis = await startRedis({ 'maxmemory-policy': 'allkeys-lru' })
    const { limiter, until } = await open({ url: redis.url })
    await limiter.take([minute])
    const client = await openClient(redis.url)
    for (let key = 0; key < 100; key += 1)
      await client.sendCommand(['SET', `other${key}`, 'x'.repeat(10_000)])
    await client.sendCommand(['CONFIG', 'SET', 'maxmemory', '2000000'])
    for (let key = 0; key < 200; key += 1)
      await client.sendCommand(['SET', `more${key}`, 'x'.repeat(10_000)]).catch(() => {})
    await client.sendCommand(['CONFIG', 'SET', 'maxmemory', '0'])
    await until('limiter.forgot')
  })
})

describe('where it is', () => {
  test.each([true, false])('a sentinel tells, whether or not it has a password: %s', async (hasPassword) => {
    await using redis = await startRedis()
    const { password, port } = new URL(redis.url)
    const sentinel = createServer((socket) =>
      answerSentinel(socket, port, hasPassword ? password : undefined),
    )
    sentinel.listen(0, '127.0.0.1')
    await once(sentinel, 'listening')
    onTestFinished(() => void sentinel.close())
    const at = (sentinel.address() as { readonly port: number }).port
    const { limiter } = await open({ url: `redis+sentinel://:${password}@127.0.0.1:1,127.0.0.1:${at}/main` })
    expect((await limiter.take([minute])).refusal).toBeUndefined()
  })

  test('a node of the cluster tells', async () => {
    await using redis = await startRedis({ 'cluster-enabled': 'yes' })
    const client = await openClient(redis.url)
    await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383'])
    const { limiter } = await open({ url: redis.url.replace('redis:', 'redis+cluster:').replace(/\/0$/, '') })
    await untilReady(limiter)
    expect((await limiter.take([minute, atOnce, { ...hour, isOfAddress: true }])).refusal).toBeUndefined()
  })
})

/** As much of a sentinel as the limiter asks. */
function answerSentinel(socket: Socket, port: string, password: string | undefined): void {
  let mayAsk = password === undefined
  socket.on('error', () => {})
  socket.on('data', (data) => {
    const text = String(data)
    if (password !== undefined && text.includes(password)) mayAsk = true
    if (!text.includes('get-master-addr-by-name')) socket.write('+OK\r\n')
    else if (mayAsk) socket.write(`*2\r\n$9\r\n127.0.0.1\r\n$${port.length}\r\n${port}\r\n`)
    else socket.write('-NOAUTH Authentication required.\r\n')
  })
}
