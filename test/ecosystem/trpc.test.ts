import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  expectAsSaid,
  expectRefusedUnread,
  expectRevokedInTime,
  listingsOf,
  type NodeServer,
  openProject,
  type Project,
  readExample,
} from './project.ts'
import { proves } from './support.ts'

const guide = readFileSync('docs/guides/trpc.md', 'utf8')
const { 'express/server.ts': onExpress = '', ...onFastify } = listingsOf(guide)
const tsconfig = readFileSync('examples/trpc/tsconfig.json', 'utf8')

/** Procedures that the guide does not show, and a client that says how each was answered. */
const more = `router({
  refuses: guarded.query((): string => { throw new Refusal('not_found', 'no such model') }),
  fails: guarded.query((): string => { throw new Fault('model_failed', 'hunter2') }),
  ticks: guarded.query(async function* () { yield 1; yield 2 }),
  events: guarded.subscription(async function* () { yield 'one'; yield 'two' }),
`
const asks = `
import { createTRPCClient, httpBatchLink, httpBatchStreamLink, httpLink, TRPCClientError } from '@trpc/client'
import type { AppRouter } from './trpc.ts'

const { KEY = '', URL = '', LINK = '' } = process.env
const link = { httpLink, httpBatchLink, httpBatchStreamLink }[LINK] ?? httpLink
const client = createTRPCClient<AppRouter>({ links: [link({ url: URL, headers: KEY === '' ? {} : { 'x-api-key': KEY } })] })
async function all(): Promise<readonly number[]> {
  const ticks: number[] = []
  for await (const tick of await client.ticks.query()) ticks.push(tick)
  return ticks
}
const asked = [
  client.me.query(), client.predict.mutate('hello'), client.predict.mutate(5 as never), client.refuses.query(), client.fails.query(),
  ...(LINK === 'httpBatchStreamLink' ? [all()] : []),
]
const answers = await Promise.allSettled<unknown>(asked)
console.log(JSON.stringify(answers.map((answer) => {
  if (answer.status === 'fulfilled') return answer.value
  if (!(answer.reason instanceof TRPCClientError)) throw answer.reason
  const { message, data } = answer.reason
  return [data?.httpStatus, data?.code, data?.reason, message]
})))
`

let project: Project
beforeEach(async () => {
  project = await openProject('trpc')
})
afterEach(() => project[Symbol.asyncDispose]())

const missing = [401, 'UNAUTHORIZED', 'key_missing', 'Not authenticated']
const wrong = [403, 'FORBIDDEN', 'key_invalid', 'Invalid API key']
const lacking = [403, 'FORBIDDEN', 'scope_missing', 'This API key lacks the scope predict.']
const unfit = [422, 'UNPROCESSABLE_CONTENT', 'input_invalid', 'Send a text.']
const unknown = [404, 'NOT_FOUND', 'not_found', 'no such model']
const failed = [502, 'BAD_GATEWAY', 'model_failed', 'The model failed on this input.']
const me = { owner: 'acme' }
const predicted = { owner: 'acme', length: 5 }

test('examples/trpc holds the files of the guide, word for word, and answers as its page says', async () => {
  const example = readExample('trpc', ['*.ts'])
  expect(example).toEqual(onFastify)
  await project.write({ ...example, 'tsconfig.json': tsconfig })
  await project.compile()
  const { key } = await project.createKey('--owner', 'acme', '--scope', 'predict')
  await using server = await project.start('server.ts')
  await expectAsSaid(readFileSync('examples/trpc/README.md', 'utf8'), server, key)
})

describe(proves('tRPC on Fastify'), () => isGuarded('fastify', onFastify))
describe(proves('tRPC on Express'), () => isGuarded('express', { ...onFastify, 'server.ts': onExpress }))

function isGuarded(platform: 'fastify' | 'express', files: Readonly<Record<string, string>>): void {
  const route = platform === 'fastify' ? '/trpc/:path' : null

  async function startMore(): Promise<NodeServer> {
    const trpc = (files['trpc.ts'] ?? '').replace('router({\n', more)
    await project.write({ ...files, 'trpc.ts': trpc, 'asks.ts': asks, 'tsconfig.json': tsconfig })
    await project.compile()
    return project.start('server.ts')
  }
  const ask = async (server: NodeServer, link: string, key = ''): Promise<unknown> => {
    const variables = { KEY: key, URL: `${server.address}/trpc`, LINK: link }
    return JSON.parse(await project.run(['asks.ts'], variables))
  }

  test('the guide as it stands: 200, 403, 401 in tRPC’s form, a typed client, and a ledger that verifies', async () => {
    await project.write({ ...files, 'tsconfig.json': tsconfig })
    await project.compile()
    const { key } = await project.createKey('--owner', 'acme', '--scope', 'predict')
    const reader = await project.createKey('--owner', 'acme', '--scope', 'read')
    await using server = await project.start('server.ts')
    await expectAsSaid(guide, server, key)
    const API_URL = `${server.address}/trpc`
    expect(await project.run(['client.ts'], { KEY: key, API_URL })).toBe('acme 5\n')
    expect(await project.run(['client.ts'], { KEY: 'wrong', API_URL })).toBe('403 key_invalid\n')
    expect(await project.run(['client.ts'], { KEY: reader.key, API_URL })).toBe('403 scope_missing\n')
    expect(server.log()).not.toMatch(/error|warning/i)
    const requests = await project.requests()
    expect(requests.filter(({ code }) => code !== null)).toMatchObject([
      { event: 'request.refused', status: 403, code: 'key_invalid', route },
      { event: 'request.refused', status: 401, code: 'key_missing', route },
      { event: 'request.refused', status: 403, code: 'key_invalid', route },
      { event: 'request.refused', status: 403, code: 'key_invalid', route },
    ])
    expect(await server.end()).toEqual({ code: 0, signal: null })
  })

  test.each(['httpLink', 'httpBatchLink'])(
    '%s: what is thrown has its status, its code and no secret',
    async (link) => {
      const { key } = await project.createKey('--owner', 'acme', '--scope', 'predict')
      const reader = await project.createKey('--owner', 'acme', '--scope', 'read')
      await using server = await startMore()
      expect(await ask(server, link, key)).toEqual([me, predicted, unfit, unknown, failed])
      expect(await ask(server, link, reader.key)).toEqual([me, lacking, lacking, unknown, failed])
      expect(await ask(server, link, 'wrong')).toEqual(Array(5).fill(wrong))
      expect(await ask(server, link)).toEqual(Array(5).fill(missing))
    },
  )

  test('a batch is one request: one decision, one use of a limit, one pair of records with its own status', async () => {
    const { key } = await project.createKey('--owner', 'acme', '--scope', 'predict', '--limit', '2/h')
    await using server = await startMore()
    // The queries are one GET, the mutations one POST.
    expect(await ask(server, 'httpBatchLink', key)).toEqual([me, predicted, unfit, unknown, failed])
    const limited = [429, 'TOO_MANY_REQUESTS', 'rate_limited', expect.any(String)]
    expect(await ask(server, 'httpBatchLink', key)).toEqual(Array(5).fill(limited))
    const ended = (await project.requests()).filter(({ event }) => event !== 'request.started')
    expect(ended.map(({ event, status, code }) => [event, status, code]).toSorted()).toEqual([
      [expect.stringMatching(/admitted|finished/), 207, null],
      [expect.stringMatching(/admitted|finished/), 207, null],
      ['request.refused', 429, 'rate_limited'],
      ['request.refused', 429, 'rate_limited'],
    ])
    const headers = { 'x-api-key': key }
    const eleven = Array(11).fill('me').join(',')
    const tooMany = await fetch(`${server.address}/trpc/${eleven}?batch=1`, { headers })
    expect([tooMany.status, (await tooMany.json()).error.data.reason]).toEqual([429, 'rate_limited'])
    const other = await project.createKey()
    const bounded = await fetch(`${server.address}/trpc/${eleven}?batch=1`, {
      headers: { 'x-api-key': other.key },
    })
    expect(bounded.status).toBe(400)
  })

  test('streams: a batch that is answered in pieces, and server-sent events, recorded at both ends', async () => {
    const { key } = await project.createKey('--owner', 'acme', '--scope', 'predict')
    await using server = await startMore()
    expect(await ask(server, 'httpBatchStreamLink', key)).toEqual([
      me,
      predicted,
      unfit,
      unknown,
      failed,
      [1, 2],
    ])
    expect(await ask(server, 'httpBatchStreamLink', 'wrong')).toEqual(Array(6).fill(wrong))
    const headers = { 'x-api-key': key, accept: 'text/event-stream' }
    const events = await fetch(`${server.address}/trpc/events`, { headers })
    expect([events.status, await events.text()]).toEqual([200, expect.stringMatching(/"one"\n.*"two"\n/s)])
    expect((await fetch(`${server.address}/trpc/events`)).status).toBe(401)
    const last = (await project.requests()).filter(({ event }) => event !== 'request.refused').slice(-2)
    expect(last).toMatchObject([
      { event: 'request.started', status: 200, route, detail: null },
      { event: 'request.finished', status: 200, route, detail: null },
    ])
  })

  test('a mutation of 2 MB without a key is refused while it is withheld, and when it is sent', async () => {
    await project.write({ ...files, 'tsconfig.json': tsconfig })
    await using server = await project.start('server.ts')
    await expectRefusedUnread(server.port, '/trpc/predict')
  })

  test('a revoked key is refused within a second', async () => {
    const { id, key } = await project.createKey()
    await project.write(files)
    await using server = await project.start('server.ts')
    const headers = { 'x-api-key': key }
    await expectRevokedInTime(
      project,
      id,
      async () => (await fetch(`${server.address}/trpc/me`, { headers })).status,
    )
  })
}
