import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { openTestUpstream } from './test-upstream.ts'

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('an answer comes as it was sent: its head with names in lower case, its bytes, one end', async () => {
  const url = await serve((_, response) => {
    response.writeHead(201, { 'X-Thing': 'one', 'Set-Cookie': ['a', 'b'] }).end('whole')
  })
  await using opened = openTestUpstream(url)
  const sent = opened.send()
  expect(await sent.end).toBeUndefined()
  const { status, headers } = await sent.head
  expect(status).toBe(201)
  expect(headers).toMatchObject({ 'x-thing': 'one', 'set-cookie': ['a', 'b'] })
  expect(sent.text()).toBe('whole')
  expect(sent.heard).toEqual({ heads: 1, ends: 1 })
  expect(opened.upstream.status()).toMatchObject({ state: 'closed', failures: 0, callsOpen: 0 })
})

test('a request has its path behind the upstream’s own, what the caller lists, and nothing else but what is ours', async () => {
  const seen: unknown[] = []
  const url = await serve((request, response) => {
    request.resume()
    seen.push(request.method, request.url, Object.fromEntries(Object.entries(request.headers)))
    response.end()
  })
  await using opened = openTestUpstream(
    `${url}/proxy/`,
    { key: { env: 'KEY' }, prefix: '/mounted' },
    { env: { KEY: 'sk-of-ours' } },
  )
  await opened.send({
    path: '/v1/messages',
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
  }).end
  expect(seen).toEqual([
    'POST',
    '/proxy/v1/messages',
    {
      host: new URL(url).host,
      connection: 'keep-alive',
      'content-type': 'application/json',
      'anthropic-version': '2023-06-01',
      'content-length': '2',
      'user-agent': expect.stringMatching(/^modelward\/\d+\.\d+\.\d+$/),
      'accept-encoding': 'identity',
      authorization: 'Bearer sk-of-ours',
    },
  ])
})

test('an upstream that is not there is unreachable, and is told apart from one that broke off', async () => {
  const url = await serve((_, response) => response.destroy())
  await using opened = openTestUpstream(url)
  expect(await opened.send().end).toMatchObject({ failure: 'broken', hasBegun: false, isStale: false })
  await using gone = openTestUpstream('http://127.0.0.1:1')
  expect(await gone.send().end).toMatchObject({
    failure: 'unreachable',
    hasBegun: false,
    message: expect.stringContaining('ECONNREFUSED'),
  })
})
