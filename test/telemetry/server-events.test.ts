import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { packageVersion } from '../../src/core/runtime/package-version.ts'
import type { RunningServer, ServerOptions } from '../../src/server/server-options.ts'
import { startServer } from '../../src/server/start-server.ts'
import { serverDefaults } from '../parity/start-server-target.ts'

let folder: string
let lines: { readonly event?: string }[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelward-events-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  lines = []
})

async function start(options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  const server = await startServer({
    ...serverDefaults,
    data: join(folder, 'data'),
    logStream: { write: (line) => void lines.push(JSON.parse(line)) },
    ...options,
  })
  onTestFinished(() => server.close())
  return server
}

/** The checkpoints of the ledger come beside the server's own, at times of theirs. */
const told = () => lines.filter(({ event }) => event !== undefined && event !== 'ledger.checkpoint')

test('a server says when it listens, when it closes and when it is closed', async () => {
  const server = await start()
  expect(told()).toMatchObject([
    { level: 'info', event: 'server.started', address: server.address, version: packageVersion },
  ])
  await Promise.all([server.close(), server.close()])
  expect(told().slice(1)).toMatchObject([
    { level: 'info', event: 'server.stopping', in_flight: 0 },
    { level: 'info', event: 'server.stopped' },
  ])
})

test('a line of an event that a request caused has its id, as its answer has', async () => {
  let key = ''
  const server = await start({
    firstKeys: 'report',
    onFirstKeys: (report) => {
      if ('keys' in report) key = report.keys.demo
    },
    limitEveryone: ['shadow 1/min'],
  })
  const headers = { 'x-api-key': key, 'content-type': 'application/json' }
  const ask = () => fetch(`${server.address}/predict`, { method: 'POST', headers, body: '{"text":"good"}' })
  expect((await ask()).status).toBe(200)
  const second = await ask()
  expect(second.status).toBe(200)
  const lines = told().filter(({ event }) => event === 'limiter.shadow_refused')
  const requestId = second.headers.get('x-request-id')
  expect(lines).toMatchObject([{ limit: 'everyone shadow 1/min', request_id: requestId }])
})

test('a server that closes says how many requests are under way', async () => {
  const [asked, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let key = ''
  const server = await start({
    firstKeys: 'report',
    onFirstKeys: (report) => {
      if ('keys' in report) key = report.keys.demo
    },
    servedModels: [
      {
        name: 'slow',
        version: '1',
        runs: 'inline',
        async predict() {
          asked.resolve()
          await answer.promise
          return [{}]
        },
      },
    ],
  })
  const asking = fetch(`${server.address}/predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: '{"text":"any"}',
  })
  await asked.promise
  const closing = server.close()
  answer.resolve()
  await Promise.all([closing, (await asking).body?.cancel()])
  expect(told()).toContainEqual(expect.objectContaining({ event: 'server.stopping', in_flight: 1 }))
})

test('a file of first keys that an earlier start has left is told at each start, not at the first', async () => {
  const first = await start()
  await first.close()
  expect(told().map(({ event }) => event)).not.toContain('config.first_keys_left')
  await start()
  const path = join(folder, 'data', 'first-keys.json')
  const left = { level: 'warn', event: 'config.first_keys_left', path }
  expect(told()).toContainEqual(expect.objectContaining(left))
})

test('and so is one at a path of its own', async () => {
  const path = join(folder, 'keys.json')
  await (await start({ firstKeys: { path } })).close()
  await start({ firstKeys: { path } })
  const left = { event: 'config.first_keys_left', path }
  expect(told()).toContainEqual(expect.objectContaining(left))
})
