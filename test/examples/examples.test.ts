import { execFileSync } from 'node:child_process'
import { globSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isAsSaid, readRequests } from '../docs/page-requests.ts'
import { startServe, temporaryFolder } from '../e2e/run-cli.ts'
import { type Answer, createKey, runExample, startExample } from './start-example.ts'

const fastapi = new URL('../../examples/from-fastapi/server.ts', import.meta.url)
const trainOnnx = new URL('../../examples/fastify-onnx/train.ts', import.meta.url)
const onnx = new URL('../../examples/fastify-onnx/server.ts', import.meta.url)
const hono = new URL('../../examples/hono/server.ts', import.meta.url)
const express = new URL('../../examples/express/server.ts', import.meta.url)
const jobs = new URL('../../examples/fastify-jobs/server.ts', import.meta.url)
const ownModel = new URL('../../examples/own-model/model.ts', import.meta.url)
const scopes = new URL('../../examples/scopes/server.ts', import.meta.url)
const schemes = new URL('../../examples/several-schemes/server.ts', import.meta.url)
const route = new URL('processes/serve-route.ts', import.meta.url)

let folder: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => folder[Symbol.dispose]())

const missing = { status: 401, body: { code: 'key_missing', detail: 'Not authenticated' } }
const wrong = { status: 403, body: { code: 'key_invalid', detail: 'Invalid API key' } }

test('every folder of examples has its page, and this file asks it', () => {
  const folders = readdirSync('examples', { withFileTypes: true }).filter((entry) => entry.isDirectory())
  for (const { name } of folders)
    expect(statSync(join('examples', name, 'README.md')).size).toBeGreaterThan(0)
  expect(folders.map(({ name }) => name).sort()).toEqual([
    'express',
    'fastify-jobs',
    'fastify-onnx',
    'from-fastapi',
    'hono',
    'next-handler',
    'own-model',
    'scopes',
    'several-schemes',
  ])
})

/**
 * Sends every request of an example's page to the app, and holds what is answered against what the
 * page says.
 */
function expectAsSaid(name: string, address: string, env: Readonly<Record<string, string>>): void {
  const requests = readRequests(readFileSync(join('examples', name, 'README.md'), 'utf8'))
  expect(requests.length).toBeGreaterThan(0)
  for (const said of requests) {
    const command = said.command
      .replace(/http:\/\/127\.0\.0\.1:[38]000/, address)
      .replace(/^curl /, "curl -s -w '\\n%{http_code}' ")
    const answer = execFileSync('/bin/sh', ['-c', command], {
      env: { ...process.env, ...env },
      encoding: 'utf8',
    })
    const [, body = '', status = ''] = /^(.*)\n(\d{3})$/s.exec(answer) ?? []
    expect({ ...said, status, body, isAsSaid: isAsSaid(said, status, body) }).toMatchObject({
      isAsSaid: true,
    })
  }
}

describe('the page of', () => {
  test.each([
    { name: 'from-fastapi', script: fastapi, keys: { KEY: [] } },
    { name: 'hono', script: hono, keys: { KEY: ['--owner', 'acme', '--scope', 'predict'] } },
    { name: 'express', script: express, keys: { KEY: ['--owner', 'acme', '--scope', 'predict'] } },
    { name: 'next-handler', script: route, keys: { KEY: ['--owner', 'acme', '--scope', 'predict'] } },
    { name: 'several-schemes', script: schemes, keys: { KEY: ['--owner', 'acme', '--scope', 'predict'] } },
    { name: 'fastify-onnx', script: onnx, keys: { KEY: ['--scope', 'predict'] } },
    {
      name: 'scopes',
      script: scopes,
      keys: {
        READER: ['--scope', 'models:read'],
        KEEPER: ['--scope', 'models:read', '--scope', 'models:write', '--metadata', '{"plan":"paid"}'],
      },
    },
  ])('examples/$name says what its requests answer', async ({ name, script, keys }) => {
    const env: Record<string, string> = {}
    for (const [variable, args] of Object.entries(keys)) env[variable] = await createKey(folder.path, args)
    if (script === onnx) await runExample(folder.path, trainOnnx, ['model.onnx'])
    await using app = await startExample(folder.path, script)
    expectAsSaid(name, app.address, env)
  })
})

describe('examples/from-fastapi', () => {
  test('answers as the chapter’s app: 200 and a sentiment, 403, 401, 422', async () => {
    const key = await createKey(folder.path, [])
    await using app = await startExample(folder.path, fastapi)
    const predict = (headers: Record<string, string>, body: unknown): Promise<Answer> =>
      app.ask('/predict', { method: 'POST', headers, body })
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
    expect((await app.end()).code).toBe(0)
  })
})

describe('examples/fastify-jobs', () => {
  test('answers with a job, which its owner alone can follow to its end', async () => {
    const key = await createKey(folder.path, ['--owner', 'acme', '--scope', 'summaries'])
    const other = await createKey(folder.path, ['--owner', 'other', '--scope', 'summaries'])
    const reader = await createKey(folder.path, ['--scope', 'read'])
    await using app = await startExample(folder.path, jobs)
    const submit = (headers: Record<string, string>, body: unknown): Promise<Answer> =>
      app.ask('/summaries', { method: 'POST', headers, body })
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
    expectAsSaid('fastify-jobs', app.address, { KEY: key, JOB: id })
    expect((await app.end()).code).toBe(0)
  })
})

test('examples/own-model is served as its page says', async () => {
  const key = await createKey(folder.path, ['--scope', 'predict:language'])
  const other = await createKey(folder.path, ['--scope', 'predict:sentiment'])
  const data = join(folder.path, 'modelward-data')
  await using server = await startServe(data, ['--model', fileURLToPath(ownModel)])
  expectAsSaid('own-model', server.address, { KEY: key })
  const answer = await fetch(`${server.address}/models/language/predict`, {
    method: 'POST',
    headers: { 'x-api-key': other, 'content-type': 'application/json' },
    body: '{"text":"the cat"}',
  })
  expect(answer.status).toBe(403)
})

describe('examples/fastify-onnx', () => {
  test('writes an ONNX model, loads it from its file, and predicts by it, for callers with the scope', async () => {
    const model = join(folder.path, 'reviews.onnx')
    expect(await runExample(folder.path, trainOnnx, [model])).toMatchObject({ code: 0 })
    expect(statSync(model).size).toBeGreaterThan(4_096)
    const key = await createKey(folder.path, ['--scope', 'predict'])
    const reader = await createKey(folder.path, ['--scope', 'read'])
    await using app = await startExample(folder.path, onnx, { MODEL: model })
    const predict = (headers: Record<string, string>, body: unknown): Promise<Answer> =>
      app.ask('/predict', { method: 'POST', headers, body })
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
    expect((await app.end()).code).toBe(0)
  })
})

describe.each([
  { name: 'hono', script: hono },
  { name: 'express', script: express },
])('examples/$name', ({ script }) => {
  test('knows who is calling, and refuses everyone else', async () => {
    const key = await createKey(folder.path, ['--owner', 'acme', '--scope', 'predict'])
    const reader = await createKey(folder.path, ['--scope', 'read'])
    await using app = await startExample(folder.path, script)
    const predict = (headers: Record<string, string>, body: unknown): Promise<Answer> =>
      app.ask('/predict', { method: 'POST', headers, body })
    expect(await predict({ 'X-API-Key': key }, { text: 'hello' })).toMatchObject({
      status: 200,
      body: { owner: 'acme', length: 5 },
    })
    expect(await predict({ 'X-API-Key': key }, {})).toMatchObject({
      status: 422,
      body: { code: 'input_invalid', detail: 'Send a text.' },
    })
    expect(await app.ask('/me', { headers: { 'X-API-Key': reader } })).toMatchObject({
      status: 200,
      body: { scopes: ['read'] },
    })
    expect(await predict({ 'X-API-Key': reader }, { text: 'hello' })).toMatchObject({
      status: 403,
      body: { code: 'scope_missing' },
    })
    expect(await predict({ 'X-API-Key': 'wrong' }, { text: 'hello' })).toMatchObject(wrong)
    expect(await predict({}, { text: 'hello' })).toMatchObject(missing)
    expect(await app.ask('/unknown')).toMatchObject(missing)
    expect(await app.ask('/health')).toMatchObject({ status: 200, body: 'ok' })
    expect((await app.end()).code).toBe(0)
  })
})

test('examples/hono lets a browser ask whether it may call, without a key', async () => {
  await using app = await startExample(folder.path, hono)
  const answer = await app.ask('/predict', {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
  })
  expect(answer.status).toBe(204)
  expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example')
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
  const key = await createKey(folder.path, ['--owner', 'acme', '--scope', 'predict'])
  await using app = await startExample(folder.path, route)
  const predict = (headers: Record<string, string>): Promise<Answer> =>
    app.ask('/api/predict', { method: 'POST', headers, body: { text: 'hello' } })
  expect(await predict({ 'X-API-Key': key })).toMatchObject({
    status: 200,
    body: { owner: 'acme', length: 5 },
  })
  expect(await predict({ 'X-API-Key': 'wrong' })).toMatchObject(wrong)
  expect(await predict({})).toMatchObject(missing)
  expect((await app.end()).code).toBe(0)
})

test('examples/scopes asks each route’s scopes, and the check that routes share', async () => {
  const reader = await createKey(folder.path, ['--scope', 'models:read'])
  const free = await createKey(folder.path, ['--scope', 'models:read', '--scope', 'models:write'])
  const keeper = await createKey(folder.path, [
    ...['--scope', 'models:read', '--scope', 'models:write'],
    ...['--metadata', '{"plan":"paid"}'],
  ])
  await using app = await startExample(folder.path, scopes)
  const ask = (key: string, method: string, path: string): Promise<Answer> =>
    app.ask(path, { method, headers: { 'X-API-Key': key } })
  expect(await ask(reader, 'GET', '/models')).toMatchObject({ status: 200, body: ['sentiment', 'topics'] })
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
  expect(await ask(keeper, 'GET', '/models')).toMatchObject({ body: ['sentiment'] })
  expect(await ask(keeper, 'POST', '/predict')).toMatchObject({
    status: 403,
    body: { code: 'scope_missing' },
  })
  expect((await app.end()).code).toBe(0)
})

test('examples/several-schemes takes the key in either place, and greets a stranger where nothing is demanded', async () => {
  const key = await createKey(folder.path, ['--owner', 'acme', '--scope', 'predict'])
  await using app = await startExample(folder.path, schemes)
  const greet = (headers: Record<string, string>): Promise<Answer> => app.ask('/', { headers })
  expect(await greet({})).toMatchObject({ status: 200, body: 'hello, stranger' })
  expect(await greet({ 'X-API-Key': key })).toMatchObject({ status: 200, body: 'hello, acme' })
  expect(await greet({ authorization: `Bearer ${key}` })).toMatchObject({ status: 200, body: 'hello, acme' })
  expect(await greet({ 'X-API-Key': 'wrong' })).toMatchObject(wrong)
  expect(await greet({ 'X-API-Key': 'wrong', authorization: `Bearer ${key}` })).toMatchObject({
    status: 400,
    body: { code: 'key_ambiguous' },
  })
  const predict = (headers: Record<string, string>): Promise<Answer> =>
    app.ask('/predict', { method: 'POST', headers })
  expect(await predict({})).toMatchObject(missing)
  expect(await predict({ authorization: `Bearer ${key}` })).toMatchObject({
    status: 200,
    body: { owner: 'acme' },
  })
  expect((await app.end()).code).toBe(0)
})
