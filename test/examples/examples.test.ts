import { globSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readBlocks } from '../docs/page-blocks.ts'
import { createExampleCopies, type ExampleCopies } from './example-copies.ts'
import { expectExample } from './expect-example.ts'
import {
  type Answer,
  createKey,
  type ExampleProcess,
  runModelward,
  runShell,
  startExample,
} from './start-example.ts'

const route = fileURLToPath(new URL('processes/serve-route.ts', import.meta.url))
const sayListening = fileURLToPath(new URL('processes/say-listening.mjs', import.meta.url))

/** The examples that run here; those of `test/ecosystem` need what only it installs. */
const names = [
  ...['express', 'fastify', 'fastify-jobs', 'fastify-onnx', 'from-fastapi', 'hono'],
  ...['next-handler', 'own-model', 'scopes', 'several-schemes', 'web'],
]
let copies: ExampleCopies
beforeAll(async () => {
  copies = await createExampleCopies(names)
}, 240_000)
afterAll(() => copies?.remove())

const missing = { status: 401, body: { code: 'key_missing', detail: 'Not authenticated' } }
const wrong = { status: 403, body: { code: 'key_invalid', detail: 'Invalid API key' } }

const poster =
  (app: ExampleProcess, path: string) =>
  (headers: Record<string, string>, body?: unknown): Promise<Answer> =>
    app.ask(path, { method: 'POST', headers, ...(body === undefined ? {} : { body }) })

/** examples/fastify, examples/hono, examples/express, examples/web. */
const alike = ['fastify', 'hono', 'express', 'web'] as const

describe.each(alike)('examples/%s', (name) => {
  test('answers as the three others: public, 401, 403, 200, 429', async () => {
    await expectExample(copies, name, async (app, folder) => {
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

      const chatter = await createKey(folder, ['--limit', '100 tokens/min'])
      const chat = poster(app, '/chat')
      expect(await chat({ 'X-API-Key': chatter }, { text: 'it is a fine day' })).toMatchObject({
        status: 200,
        body: 'it is a fine day',
      })
      const beyond = await chat({ 'X-API-Key': chatter }, { text: 'a'.repeat(51) })
      expect(beyond).toMatchObject({ status: 429, body: { code: 'rate_limited' } })
      expect(Number(beyond.headers.get('retry-after'))).toBeGreaterThan(0)
      interface Chats {
        readonly records: readonly { readonly measures: { readonly tokens?: number } }[]
      }
      const { records } = await runModelward<Chats>(folder, [
        ...['ledger', 'query', '--event', 'request.finished'],
      ])
      // Hono's server sends each answer in pieces.
      expect(records.filter(({ measures: { tokens = 0 } }) => tokens > 0)).toMatchObject([
        { route: name === 'web' ? null : '/chat', measures: { requests: 1, tokens: 10 } },
        { measures: { tokens: 10 } },
      ])
      expect(await chat({}, { text: 'hello' })).toMatchObject(missing)

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
  await expectExample(copies, 'from-fastapi', async (app, folder) => {
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
  await expectExample(copies, 'fastify-jobs', async (app, folder) => {
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
  await expectExample(copies, 'own-model', async (app, folder) => {
    const other = await createKey(folder, ['--scope', 'predict:sentiment'])
    const answer = await poster(app, '/models/language/predict')({ 'X-API-Key': other }, { text: 'the cat' })
    expect(answer.status).toBe(403)
  })
})

test('examples/fastify-onnx writes an ONNX model, loads it from its file, and predicts by it', async () => {
  await expectExample(copies, 'fastify-onnx', async (app, folder) => {
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
  await expectExample(
    copies,
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
  await expectExample(copies, 'scopes', async (app, folder) => {
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
  await expectExample(copies, 'several-schemes', async (app, folder) => {
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

describe('the first listing of', () => {
  /** A folder with a guide’s first `ts` block, to be saved, and a key that the guide makes. */
  async function openGuide(name: string) {
    const page = readFileSync(`docs/guides/${name}.md`, 'utf8')
    const listing =
      readBlocks(page)
        .find(({ language }) => language === 'ts')
        ?.lines.join('\n') ?? ''
    const folder = copies.create()
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    const [command] = /^npx modelward keys create .*$/m.exec(page) ?? []
    const key = (await runShell(folder, String(command))).trim()
    return { folder, key, save: (text: string) => writeFileSync(join(folder, 'server.ts'), text), listing }
  }

  test.each(['fastify', 'hono', 'express'])('docs/guides/%s.md answers 401, 403, 200', async (name) => {
    const { folder, key, save, listing } = await openGuide(name)
    save(listing.replace(/\b3000\b/, '0'))
    await using app = await startExample(folder, `node --import '${sayListening}' server.ts`)
    const predict = poster(app, '/predict')
    expect(await predict({})).toMatchObject(missing)
    expect(await predict({ 'X-API-Key': 'wrong' })).toMatchObject(wrong)
    expect(await predict({ 'X-API-Key': key })).toMatchObject({ status: 200, body: { owner: 'acme' } })
    expect(await app.ask('/health')).toMatchObject({ status: 200, body: 'ok' })
    expect(await app.ask('/unknown')).toMatchObject(missing)
  })

  test('docs/guides/web.md answers 401, 403, 200', async () => {
    const { folder, key, save, listing } = await openGuide('web')
    const statuses = `[missing, wrong, right, await ask({ 'X-API-Key': '${key}' })].map(({ status }) => status)`
    save(`${listing}\nconsole.log(String(${statuses}))\nawait ward.close()\n`)
    expect(await runShell(folder, 'node server.ts')).toBe('401,403,200,200\n')
  })
})

test('npm start runs an example until Ctrl-C, and Ctrl-C closes it', async () => {
  const folder = copies.copy('fastify')
  await using app = await startExample(folder, 'npm start')
  expect(await app.ask('/me')).toMatchObject(missing)
  // Ctrl-C reaches every process of the terminal; what is left open would keep this from ending.
  expect((await app.interrupt()).stderr).not.toMatch(/Error|Unhandled/)
  expect(await runModelward<object>(folder, ['ledger', 'verify'])).toMatchObject({ ok: true })
})
