import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { findFreePort, findProgram } from '../support/services.ts'
import { readSourceMs } from './deployed-files.ts'

/** What the two servers behind the proxy do with a request. */
let answer: (request: IncomingMessage, response: ServerResponse) => void
let folder: string
let upstreams: readonly [Server, Server]
let nginx: ChildProcess
let port: number
let program: string

const config = () => join(folder, 'nginx.conf')
const portOf = (server: Server) => (server.address() as AddressInfo).port

async function listen(
  server: Server = createServer((got, response) => answer(got, response)),
): Promise<Server> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return server
}

beforeAll(async () => {
  program = await findProgram('nginx')
  folder = mkdtempSync(join(tmpdir(), 'modelward-nginx-'))
  upstreams = await Promise.all([listen(), listen()])
  port = await findFreePort()
  const written = readFileSync('deploy/nginx.conf', 'utf8')
    .replace('node-1:8000', `127.0.0.1:${portOf(upstreams[0])}`)
    .replace('node-2:8000', `127.0.0.1:${portOf(upstreams[1])}`)
    .replace('listen 8080', `listen 127.0.0.1:${port}`)
    .replaceAll(' /tmp/', ` ${folder}/`)
  writeFileSync(config(), written)
  // `/dev/stdout` can be opened where it is a file, and not where it is a socket.
  const log = openSync(join(folder, 'log'), 'w')
  nginx = spawn(program, ['-c', config(), '-p', folder, '-g', 'daemon off;'], { stdio: ['ignore', log, log] })
  closeSync(log)
  await untilOpen()
})

afterAll(async () => {
  if (nginx.exitCode === null) {
    const ended = once(nginx, 'exit')
    nginx.kill('SIGTERM')
    await ended
  }
  for (const server of upstreams) {
    server.closeAllConnections()
    server.close()
  }
  rmSync(folder, { recursive: true, force: true })
})

beforeEach(() => {
  answer = (_request, response) => response.end('ok')
})

async function untilOpen(): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const isOpen = await new Promise((resolve) =>
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false)),
    )
    socket.destroy()
    if (isOpen === true) return
    if (nginx.exitCode !== null) throw new Error(readFileSync(join(folder, 'log'), 'utf8'))
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Sends a request from 127.0.0.2, and gives the answer once its head is there. */
async function ask(
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
): Promise<IncomingMessage> {
  const sent = request({ host: '127.0.0.1', port, localAddress: '127.0.0.2', path, headers, method })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return response
}

describe('deploy/nginx.conf', () => {
  test('is one that nginx accepts, without a warning', async () => {
    const said = join(folder, 'test-log')
    const log = openSync(said, 'w')
    const args = ['-t', '-q', '-c', config(), '-p', folder]
    const [code] = await once(spawn(program, args, { stdio: ['ignore', log, log] }), 'exit')
    closeSync(log)
    expect([code, readFileSync(said, 'utf8')]).toEqual([0, ''])
  })

  // With its buffers nginx would hold back the start of an answer that is not in chunks.
  test.each([
    ['in chunks', {}],
    ['of a known length', { 'content-length': 27 }],
  ])('sends events on as they come, %s', async (_how, framing) => {
    const { promise: seen, resolve: see } = Promise.withResolvers<void>()
    answer = async (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', ...framing })
      response.write('data: first\n\n')
      // The second event only leaves once the client has the first.
      await seen
      response.end('data: second\n\n')
    }
    const response = await ask('/jobs/job_1/events')
    const [first] = (await once(response.setEncoding('utf8'), 'data')) as [string]
    expect(first).toBe('data: first\n\n')
    see()
    expect(await text(response)).toBe('data: second\n\n')
  })

  test('says which address the client has, and not what the client says of it', async () => {
    answer = ({ headers, rawHeaders }, response) => response.end(JSON.stringify({ headers, rawHeaders }))
    const forged = { 'x-forwarded-for': '203.0.113.9', host: 'models.example:8443' }
    const { headers, rawHeaders } = JSON.parse(await text(await ask('/', forged))) as {
      readonly headers: Readonly<Record<string, string>>
      readonly rawHeaders: readonly string[]
    }
    expect(headers).toMatchObject({ 'x-forwarded-for': '127.0.0.2', host: 'models.example:8443' })
    expect(rawHeaders.filter((name) => name.toLowerCase() === 'x-forwarded-for')).toHaveLength(1)
  })

  test('passes on a refusal that comes before the body', async () => {
    answer = (_request, response) =>
      response.writeHead(401, { 'content-type': 'application/problem+json' }).end('{}')
    const sent = request({
      host: '127.0.0.1',
      port,
      method: 'POST',
      headers: { 'content-length': 50_000_000 },
    })
    sent.on('error', () => {})
    // Its head alone: the body never comes.
    sent.flushHeaders()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    expect([response.statusCode, response.headers['content-type']]).toEqual([401, 'application/problem+json'])
    sent.destroy()
  })

  test('leaves bounds of bodies and heads to the nodes', async () => {
    answer = async (got, response) => response.end(String((await text(got)).length))
    const sent = request({
      host: '127.0.0.1',
      port,
      method: 'POST',
      headers: { 'x-long': 'x'.repeat(15_000) },
    })
    sent.end('x'.repeat(9_000_000))
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    expect(await text(response)).toBe('9000000')
  })

  test('passes paths on as they were sent, and logs none of a query', async () => {
    answer = ({ url }, response) => response.end(url)
    const path = '/a//b%2Fc/../d?api_key=mw_live_secret'
    expect(await text(await ask(path))).toBe(path)
    expect(readFileSync(join(folder, 'log'), 'utf8')).toContain('127.0.0.2 GET')
    expect(readFileSync(join(folder, 'log'), 'utf8')).not.toContain('mw_live_secret')
  })

  test('asks the other node where one is gone, whatever the method', async () => {
    const [gone] = upstreams
    const its = portOf(gone)
    gone.closeAllConnections()
    await new Promise((resolve) => gone.close(resolve))
    for (const method of ['GET', 'POST', 'GET', 'POST']) {
      const response = await ask('/', {}, method)
      expect([method, response.statusCode, await text(response)]).toEqual([method, 200, 'ok'])
    }
    await once(gone.listen(its, '127.0.0.1'), 'listening')
  })

  test('gives up connections before the nodes do', () => {
    const proxy = /keepalive_timeout (\d+)s;/.exec(readFileSync('deploy/nginx.conf', 'utf8'))
    expect(1_000 * Number(proxy?.[1])).toBeLessThan(
      readSourceMs('src/server/http/http-server.ts', 'keepAliveTimeout'),
    )
  })
})
