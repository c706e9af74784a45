import { globSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createExampleCopies, type ExampleCopies } from './example-copies.ts'
import { readExamplePage } from './example-page.ts'
import {
  type Answer,
  createKey,
  type ExampleProcess,
  paste,
  runModelward,
  runScript,
  startExample,
} from './start-example.ts'

const route = fileURLToPath(new URL('processes/serve-route.ts', import.meta.url))

/** The examples that run here; those of `test/ecosystem` need what only it installs. */
const names = [
  ...['express', 'fastify', 'fastify-jobs', 'fastify-onnx', 'from-fastapi', 'hono'],
  ...['next-handler', 'own-model', 'scopes', 'several-schemes', 'web'],
]
let copies: ExampleCopies
beforeAll(async () => {
  copies = await createExampleCopies(names)
})
afterAll(() => copies?.remove())

const missing = { status: 401, body: { code: 'key_missing', detail: 'Not authenticated' } }
const wrong = { status: 403, body: { code: 'key_invalid', detail: 'Invalid API key' } }

/**
 * Copies an example out of the repository, starts it as its page says, sends every request of the
 * page, and asks what else is to be asked. Then it must end by SIGTERM without an error, and leave
 * a ledger that verifies.
 */
async function withExample(
  name: string,
  askMore: (app: ExampleProcess, folder: string) => Promise<void>,
  command?: string,
): Promise<void> {
  const folder = copies.copy(name)
  const page = readExamplePage(name)
  if (command === undefined) for (const script of page.scripts) await runScript(folder, script)
  await using app = await startExample(folder, command?.replace('FOLDER', folder))
  const asked = await paste(folder, page, app.address)
  expect(asked.length).toBeGreaterThan(0)
  expect(asked.filter(({ isAsSaid }) => !isAsSaid)).toEqual([])
  await askMore(app, folder)
  const { code, stderr } = await app.end()
  // The server of own-model logs there; each of these apps is silent.
  expect({ code, stderr: name === 'own-model' ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  expect(stderr).not.toMatch(/"level":"?(?:error|fatal|50|60)\b|Unhandled/i)
  const verified = await runModelward<{ ok: boolean; records: number }>(folder, ['ledger', 'verify'])
  expect(verified).toMatchObject({ ok: true })
  expect(verified.records).toBeGreaterThan(asked.filter(({ command }) => !/health/.test(command)).length)
}

const poster =
  (app: ExampleProcess, path: string) =>
  (headers: Record<string, string>, body?: unknown): Promise<Answer> =>
    app.ask(path, { method: 'POST', headers, ...(body === undefined ? {} : { body }) })

/** examples/fastify, examples/hono, examples/express, examples/web. */
const alike = ['fastify', 'hono', 'express', 'web'] as const

describe.each(alike)('examples/%s', (name) => {
  test('answers as the three others: public, 401, 403, 200, 429', async () => {
    await withExample(name, async (app, folder) => {
      const key = await createKey(folder, ['--owner', 'acme', '--address', '127.0.0.1'])
      const reader = await createKey(folder, [
        '--scope',
        'read',
        '--address',
        '203.0.113.7',
        '--address',
        '::1',
      ])
      const predict = poster(app, '/predict')
      const get = (path: string, headers: Record<string, string> = {}) => app.ask(path, { headers })

      expect(await get('/health')).toMatchObject({ status: 200, body: 'ok' })
      for (const path of ['/me', '/report', '/unknown', '/health/more']) {
        expect(await get(path)).toMatchObject(missing)
        expect(await get(path, { 'X-API-Key': 'wrong' })).toMatchObject(wrong)
      }
      expect(await predict({}, { text: 'hello' })).toMatchObject(missing)
      expect((await get('/unknown', { 'X-API-Key': key })).status).toBe(404)
      expect(await get('/me', { 'X-API-Key': key })).toMatchObject({
        status: 200,
        body: { scopes: ['predict'] },
      })
      expect(await get('/me', { 'X-API-Key': reader })).toMatchObject({
        status: 403,
        body: { code: 'address_denied' },
      })
      expect(await predict({ 'X-API-Key': key }, { text: 'hello' })).toMatchObject({
        status: 200,
        body: { owner: 'acme', length: 5 },
      })
      const open = await createKey(folder, ['--scope', 'read'])
      expect(await predict({ 'X-API-Key': open }, { text: 'hello' })).toMatchObject({
        status: 403,
        body: { code: 'scope_missing' },
      })

      expect(await get('/report', { 'X-API-Key': key })).toMatchObject({
        status: 200,
        body: { owner: 'acme' },
      })
      const refused = await get('/report', { 'X-API-Key': key })
      expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited' } })
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
      expect((await get('/me', { 'X-API-Key': key })).status).toBe(200)

      for (const body of [{}, { text: 1 }, 'null', '[]', '1'])
        expect(await predict({ 'X-API-Key': key }, body)).toMatchObject({
          status: expect.toBeOneOf([400, 422]),
        })
      expect(await predict({ 'X-API-Key': key }, {})).toMatchObject({
        status: 422,
        body: { code: 'input_invalid', detail: 'Send a text.' },
      })
      expect((await predict({ 'X-API-Key': key })).status).toBeOneOf([400, 415, 422])
      expect((await predict({ 'X-API-Key': key }, '{"text":')).status).toBeOneOf([400, 422])
      expect((await predict({ 'X-API-Key': key }, { text: 'a'.repeat(65_536) })).status).toBe(413)
    })
  })
})

test('examples/hono lets a browser ask whether it may call, without a key', async () => {
  await using app = await startExample(copies.copy('hono'))
  const answer = await app.ask('/predict', {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
  })
  expect(answer.status).toBe(204)
  expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example')
})

test('examples/from-fastapi answers as the chapter’s app: 200 and a sentiment, 403, 401, 422', async () => {
  await withExample('from-fastapi', async (app, folder) => {
    const key = await createKey(folder, [])
    const predict = poster(app, '/predict')
    const text = 'I love this great product'
    expect(await predict({ 'X-API-Key': key }, { text })).toMatchObject({
      status: 200,
      body: { text, sentiment: 'positive' },
    })
    expect(await predict({ 'X-API-Key': 'wrong' }, { text })).toMatchObject(wrong)
    expect(await predict({}, { text })).toMatchObject(missing)
    expect(await predict({ 'X-API-Key': key }, {})).toMatchObject({
      status: 422,
      body: { code: 'input_invalid', errors: [{ loc: ['body', 'text'], type: 'required' }] },
    })
    expect(await predict({ 'X-API-Key': key }, { text: '' })).toMatchObject({
      status: 422,
      body: { errors: [{ loc: ['body', 'text'] }] },
    })
    expect(await app.ask('/unknown')).toMatchObject(missing)
    expect(await app.ask('/health')).toMatchObject({ status: 200, body: { status: 'ok' } })
  })
})

test('examples/fastify-jobs answers with a job, which its owner alone can follow to its end', async () => {
  await withExample('fastify-jobs', async (app, folder) => {
    const key = await createKey(folder, ['--owner', 'acme', '--scope', 'summaries'])
    const other = await createKey(folder, ['--owner', 'other', '--scope', 'summaries'])
    const reader = await createKey(folder, ['--scope', 'read'])
    const submit = poster(app, '/summaries')
    const text = 'It rained. Whales sing songs. Songs travel far.'
    const accepted = await submit({ 'X-API-Key': key }, { text })
    expect(accepted).toMatchObject({ status: 202, body: { model: 'summary', result: null } })
    const { id } = accepted.body as { readonly id: string }
    expect(accepted.headers.get('location')).toBe(`/summaries/${id}`)
    const follow = (asker: string, method = 'GET'): Promise<Answer> =>
      app.ask(`/summaries/${id}${method === 'GET' ? '?wait=30' : ''}`, {
        method,
        headers: { 'X-API-Key': asker },
      })
    expect(await follow(key)).toMatchObject({
      status: 200,
      body: { id, status: 'succeeded', result: { summary: 'Whales sing songs.' } },
    })
    for (const method of ['GET', 'DELETE'])
      expect(await follow(other, method)).toMatchObject({ status: 404, body: { code: 'job_not_found' } })
    expect(await submit({ 'X-API-Key': reader }, { text })).toMatchObject({
      status: 403,
      body: { code: 'scope_missing' },
    })
    expect(await submit({}, { text })).toMatchObject(missing)
  })
})

test('examples/own-model is served to the callers whose scope names it', async () => {
  await withExample('own-model', async (app, folder) => {
    const other = await createKey(folder, ['--scope', 'predict:sentiment'])
    const answer = await poster(app, '/models/language/predict')({ 'X-API-Key': other }, { text: 'the cat' })
    expect(answer.status).toBe(403)
  })
})

test('examples/fastify-onnx writes an ONNX model, loads it from its file, and predicts by it', async () => {
  await withExample('fastify-onnx', async (app, folder) => {
    expect(statSync(join(folder, 'model.onnx')).size).toBeGreaterThan(4_096)
    const key = await createKey(folder, ['--scope', 'predict'])
    const reader = await createKey(folder, ['--scope', 'read'])
    const predict = poster(app, '/predict')
    // Neither sentence is among those that it was fitted to.
    expect(await predict({ 'X-API-Key': key }, { text: 'what a great film' })).toMatchObject({
      status: 200,
      body: { sentiment: 'positive' },
    })
    expect(await predict({ 'X-API-Key': key }, { text: 'an awful, boring evening' })).toMatchObject({
      status: 200,
      body: { sentiment: 'negative' },
    })
    expect(await predict({ 'X-API-Key': reader }, { text: 'x' })).toMatchObject({
      status: 403,
      body: { code: 'scope_missing' },
    })
    expect(await predict({}, { text: 'x' })).toMatchObject(missing)
    expect(await predict({ 'X-API-Key': 'wrong' }, { text: 'x' })).toMatchObject(wrong)
    expect((await app.ask('/health')).status).toBe(200)
  })
})

test('examples/next-handler holds the files of its guide, word for word', () => {
  const guide = readFileSync('docs/guides/nextjs.md', 'utf8')
  const listings = [...guide.matchAll(/^```ts\n\/\/ (\S+)\n(.*?)^```$/gms)]
  expect(listings.map(([, file]) => file).sort()).toEqual(
    globSync('**/*.ts', { cwd: 'examples/next-handler' }).sort(),
  )
  for (const [, file = '', text] of listings)
    expect(readFileSync(join('examples/next-handler', file), 'utf8')).toBe(text)
})

test('examples/next-handler guards the exported POST', async () => {
  const command = `node '${route}' FOLDER`
  await withExample(
    'next-handler',
    async (app, folder) => {
      const key = await createKey(folder, ['--owner', 'acme', '--scope', 'predict'])
      const predict = poster(app, '/api/predict')
      expect(await predict({ 'X-API-Key': key }, { text: 'hello' })).toMatchObject({
        status: 200,
        body: { owner: 'acme', length: 5 },
      })
      expect(await predict({ 'X-API-Key': 'wrong' }, { text: 'hello' })).toMatchObject(wrong)
      expect(await predict({}, { text: 'hello' })).toMatchObject(missing)
    },
    command,
  )
})

test('examples/scopes asks each route’s scopes, and the check that routes share', async () => {
  await withExample('scopes', async (app, folder) => {
    const reader = await createKey(folder, ['--scope', 'models:read'])
    const free = await createKey(folder, ['--scope', 'models:read', '--scope', 'models:write'])
    const keeper = await createKey(folder, [
      ...['--scope', 'models:read', '--scope', 'models:write'],
      ...['--metadata', '{"plan":"paid"}'],
    ])
    const ask = (key: string, method: string, path: string): Promise<Answer> =>
      app.ask(path, { method, headers: { 'X-API-Key': key } })
    // The page has removed the other one.
    expect(await ask(reader, 'GET', '/models')).toMatchObject({ status: 200, body: ['topics'] })
    expect(await ask(reader, 'DELETE', '/models/topics')).toMatchObject({
      status: 403,
      body: { code: 'scope_missing', detail: expect.stringContaining('models:write') },
    })
    expect(await ask(free, 'DELETE', '/models/topics')).toMatchObject({
      status: 403,
      body: { code: 'forbidden', detail: 'This needs a paid plan.' },
    })
    expect((await ask(keeper, 'DELETE', '/models/topics')).status).toBe(204)
    expect(await ask(keeper, 'DELETE', '/models/topics')).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    })
    expect(await ask(keeper, 'GET', '/models')).toMatchObject({ body: [] })
    expect(await ask(keeper, 'POST', '/predict')).toMatchObject({
      status: 403,
      body: { code: 'scope_missing' },
    })
  })
})

test('examples/several-schemes takes the key in either place, and greets a stranger where nothing is demanded', async () => {
  await withExample('several-schemes', async (app, folder) => {
    const key = await createKey(folder, ['--owner', 'acme', '--scope', 'predict'])
    const greet = (headers: Record<string, string>): Promise<Answer> => app.ask('/', { headers })
    expect(await greet({})).toMatchObject({ status: 200, body: 'hello, stranger' })
    expect(await greet({ 'X-API-Key': key })).toMatchObject({ status: 200, body: 'hello, acme' })
    expect(await greet({ authorization: `Bearer ${key}` })).toMatchObject({
      status: 200,
      body: 'hello, acme',
    })
    expect(await greet({ 'X-API-Key': 'wrong' })).toMatchObject(wrong)
    expect(await greet({ 'X-API-Key': 'wrong', authorization: `Bearer ${key}` })).toMatchObject({
      status: 400,
      body: { code: 'key_ambiguous' },
    })
    const predict = poster(app, '/predict')
    expect(await predict({})).toMatchObject(missing)
    expect(await predict({ authorization: `Bearer ${key}` })).toMatchObject({
      status: 200,
      body: { owner: 'acme' },
    })
  })
})
