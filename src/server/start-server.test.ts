import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as readText } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { appOptions, constantModel } from '../../test/support/test-app.ts'
import { Fault } from '../core/fault.ts'
import { processScheduler, type Scheduler } from '../core/scheduler.ts'
import { openWard } from '../ward/open-ward.ts'
import { type FirstKeysReport, issueFirstKeys } from './first-keys.ts'
import type { RunningServer, ServerOptions } from './server-options.ts'
import { startServer } from './start-server.ts'

let data: string
const servers: RunningServer[] = []

beforeEach(async () => {
  data = join(await mkdtemp(join(tmpdir(), 'modelward-server-')), 'data')
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
  await rm(join(data, '..'), { recursive: true, force: true })
})

async function start(
  options: Partial<ServerOptions> = {},
): Promise<{ server: RunningServer; reports: FirstKeysReport[] }> {
  const reports: FirstKeysReport[] = []
  const server = await startServer({
    ...appOptions,
    data,
    host: '127.0.0.1',
    port: 0,
    cachedKeysMax: 100,
    limitDefault: [],
    limitBadKeys: 'none',
    queueMax: 100,
    queueOwnerMax: 100,
    jobWorkers: 1,
    servedModels: [constantModel],
    onFirstKeys: (report) => void reports.push(report),
    ...options,
  })
  servers.push(server)
  return { server, reports }
}

function keysOf(reports: readonly FirstKeysReport[]): { admin: string; demo: string } {
  const [report] = reports
  if (report === undefined || !('keys' in report)) throw new Error('expected the first keys')
  return report.keys
}

const portOf = ({ address }: RunningServer): number => Number(new URL(address).port)

function open(server: RunningServer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(portOf(server), '127.0.0.1', () => resolve(socket))
    socket.once('error', reject)
  })
}

/** Sends bytes and gives everything that comes back until the connection is closed. */
async function exchange(server: RunningServer, bytes: string): Promise<string> {
  const socket = await open(server)
  socket.write(bytes)
  return readText(socket)
}

const bodyOf = (answer: string) => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))

function predict(server: RunningServer, key: string): Promise<Response> {
  return fetch(`${server.address}/predict`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: '{"text":"I love this great product"}',
  })
}

test('a model whose import never ends is waited for as long as it may take to load, and the way out is said', async () => {
  const file = join(data, '..', 'hangs.mjs')
  await writeFile(file, 'await new Promise((resolve) => setInterval(() => {}, 1e6))')
  await expect(start({ servedModels: [file], modelLoadDeadline: 200 })).rejects.toMatchObject({
    code: 'model_unreadable',
    message: expect.stringMatching(/not ready within 200 ms; `--model-load-deadline` .* gives it longer/),
  })
})

describe('the first start', () => {
  test('makes an admin key and a demo key that work, and tells them once', async () => {
    const { server, reports } = await start({ firstKeys: 'report' })
    const { admin, demo } = keysOf(reports)
    expect((await predict(server, demo)).status).toBe(200)
    expect((await predict(server, admin)).status).toBe(403)
    expect((await fetch(`${server.address}/v1/keys`, { headers: { 'x-api-key': admin } })).status).toBe(200)
    await server.close()
    const again = await start({ firstKeys: 'report' })
    expect(again.reports).toEqual([])
    expect((await predict(again.server, demo)).status).toBe(200)
  })

  test('leaves them in a file for its owner alone, and tells its path only', async () => {
    const { server, reports } = await start()
    const file = join(data, 'first-keys.json')
    expect(reports).toEqual([{ address: server.address, file }])
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const { demo } = JSON.parse(await readFile(file, 'utf8'))
    expect((await predict(server, demo)).status).toBe(200)
  })

  test('writes the file before the keys, so that no crash leaves keys whose texts are lost', async () => {
    const { ward, storage } = await openWard({
      data,
      create: true,
      schemes: [],
      format: { prefix: 'mw', environment: 'live' },
    })
    const order: string[] = []
    const secrets = {
      handOver: (name: string, text: string): string => {
        order.push('file')
        storage.secrets.handOver?.(name, text)
        throw new Fault('internal', 'crashed')
      },
    }
    await expect(issueFirstKeys({ ward, storage: { secrets }, to: 'file' })).rejects.toThrow('crashed')
    expect(await ward.store.readChanges(undefined)).toMatchObject({ hasKeys: false })
    expect(order).toEqual(['file'])
    await ward.close()
    const { server } = await start()
    const { demo } = JSON.parse(await readFile(join(data, 'first-keys.json'), 'utf8'))
    expect((await predict(server, demo)).status).toBe(200)
  })
})

describe('what stands in the way of a start', () => {
  test('a port that is in use: nothing stays open, and no keys were made unseen', async () => {
    const first = await start()
    const other = join(data, '..', 'other')
    const failed = start({ data: other, port: portOf(first.server) })
    await expect(failed).rejects.toMatchObject({ name: 'SetupError', code: 'address_in_use' })
    const { server, reports } = await start({ data: other, firstKeys: 'report' })
    expect((await predict(server, keysOf(reports).demo)).status).toBe(200)
  })

  test('an address that is not ours', async () => {
    await expect(start({ host: '203.0.113.1' })).rejects.toMatchObject({ code: 'address_unavailable' })
    await expect(start({ host: 'no.such.host.invalid' })).rejects.toMatchObject({
      code: 'address_unavailable',
    })
  })

  test('another server on the same folder', async () => {
    const { server } = await start()
    await expect(start()).rejects.toMatchObject({ code: 'data_in_use' })
    expect((await fetch(`${server.address}/health`)).status).toBe(200)
  })
})

describe('close', () => {
  test('lets a request under way finish, accepts no other, and then lets the folder go', async () => {
    const called = Promise.withResolvers<void>()
    const answered = Promise.withResolvers<void>()
    const model = {
      ...constantModel,
      predict: async (texts: readonly string[]) => {
        called.resolve()
        await answered.promise
        return constantModel.predict(texts, { signal: new AbortController().signal })
      },
    }
    const { server, reports } = await start({ servedModels: [model], firstKeys: 'report' })
    const pending = predict(server, keysOf(reports).demo)
    await called.promise
    const unused = await open(server)
    const closed = server.close()
    expect(server.close()).toBe(closed)
    await expect(fetch(`${server.address}/health`)).rejects.toThrow()
    answered.resolve()
    const answer = await pending
    expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close'])
    await closed
    expect(unused.destroyed || (await readText(unused)) === '').toBe(true)
    await start()
  })

  test('with a delay, serves everything with /ready 503 until it is over', async () => {
    const delay = Promise.withResolvers<() => void>()
    const scheduler: Scheduler = {
      ...processScheduler,
      after(ms, run) {
        if (ms !== 54_321) return processScheduler.after(ms, run)
        delay.resolve(run)
        return () => {}
      },
    }
    const { server, reports } = await start({ shutdownDelay: 54_321, scheduler, firstKeys: 'report' })
    const closed = server.close()
    const end = await delay.promise
    expect((await fetch(`${server.address}/ready`)).status).toBe(503)
    expect((await predict(server, keysOf(reports).demo)).status).toBe(200)
    end()
    await closed
    await expect(fetch(`${server.address}/health`)).rejects.toThrow()
  })

  test('with a delay, closes without it where no balancer knows it yet', async () => {
    const scheduler: Scheduler = {
      ...processScheduler,
      after: (ms, run) => (ms === 54_321 ? () => {} : processScheduler.after(ms, run)),
    }
    const { server } = await start({ shutdownDelay: 54_321, scheduler })
    await server.close({ drain: false })
    await expect(fetch(`${server.address}/health`)).rejects.toThrow()
  })

  test('does not wait for a connection that was opened ahead of need', async () => {
    const { server } = await start({ shutdownGrace: 600_000 })
    const unused = await open(server)
    await fetch(`${server.address}/health`)
    await server.close()
    expect(await readText(unused)).toBe('')
  })

  test('cuts off after the grace what does not finish', async () => {
    const called = Promise.withResolvers<void>()
    const model = {
      ...constantModel,
      predict: () => {
        called.resolve()
        return new Promise<never>(() => {})
      },
    }
    const { server, reports } = await start({ servedModels: [model], firstKeys: 'report', shutdownGrace: 20 })
    const pending = predict(server, keysOf(reports).demo)
    const cut = expect(pending).rejects.toThrow()
    await called.promise
    await server.close()
    await cut
  })

  test('a request that had begun to arrive is still answered, /ready with 503, and that its connection ends', async () => {
    const { server } = await start()
    const socket = await open(server)
    socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /ready HTTP/1.1\r\n')
    await once(socket, 'data')
    const closed = server.close()
    socket.write('Host: x\r\n\r\n')
    const answer = await readText(socket)
    expect(answer).toContain('HTTP/1.1 503 ')
    expect(answer.toLowerCase()).toContain('connection: close')
    await closed
  })
})

describe('what the HTTP parser refuses', () => {
  test.each([
    [
      'a head over the limit',
      `GET / HTTP/1.1\r\nHost: x\r\nX-API-Key: ${'a'.repeat(100_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'a space before the colon',
      'GET / HTTP/1.1\r\nHost: x\r\nX-API-Key : a\r\n\r\n',
      400,
      'request_malformed',
    ],
    ['a NUL in a header', 'GET / HTTP/1.1\r\nHost: x\r\nX-API-Key: a\0b\r\n\r\n', 400, 'request_malformed'],
    ['no Host', 'GET /health HTTP/1.1\r\n\r\n', 400, 'request_malformed'],
    ['no HTTP', 'hello\r\n\r\n', 400, 'request_malformed'],
    ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n', 405, 'method_not_allowed'],
    [
      'a malformed chunk',
      'POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      400,
      'request_malformed',
    ],
  ])('%s is a problem, and the connection ends', async (_what, bytes, status, code) => {
    const { server } = await start()
    const answer = await exchange(server, bytes)
    expect(answer).toContain(`HTTP/1.1 ${status} `)
    expect(answer).toMatch(/\r\ncontent-type: application\/problem\+json\r\n/i)
    expect(bodyOf(answer)).toMatchObject({ status, code })
    expect(answer.toLowerCase()).toContain(`x-request-id: ${bodyOf(answer).request_id}`)
  })

  test('a request that does not arrive in time is 408', async () => {
    const { server } = await start({ requestTimeout: 100 })
    const answer = await exchange(server, 'GET /health HTTP/1.1\r\nHost: x\r\n')
    expect(bodyOf(answer)).toMatchObject({ status: 408, code: 'request_timeout' })
  })

  test('a refused upload is answered at once though its body never comes', async () => {
    const { server } = await start()
    const answer = await exchange(
      server,
      'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n',
    )
    expect(answer).toContain('HTTP/1.1 401 ')
    expect(answer.toLowerCase()).toContain('connection: close')
  })

  test('a second key hidden behind 2,500 other headers is seen', async () => {
    const { server, reports } = await start({ firstKeys: 'report', headersMax: 65_536 })
    const key = keysOf(reports).demo
    const filler = 'a:b\r\n'.repeat(2_500)
    const head = `GET /v1/keys/self HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: ${key}\r\n${filler}`
    expect(await exchange(server, `${head}\r\n`)).toContain('HTTP/1.1 200 ')
    expect(await exchange(server, `${head}X-API-Key: ${key}\r\n\r\n`)).toContain('HTTP/1.1 400 ')
  })
})
