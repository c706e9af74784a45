import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { exchange, formatRequest } from '../parity/raw-http.ts'
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

const guide = readFileSync('docs/guides/nestjs.md', 'utf8')
const { 'express/guarded.ts': onExpress = '', ...onFastify } = listingsOf(guide)
const example = readExample('nestjs', ['*.ts', 'tsconfig.json'])
const { 'tsconfig.json': tsconfig = '', 'app.test.ts': appTest = '' } = example

/** Routes, and what else Nest adds to an app, beside what the guide shows. */
const more = `
import { Controller, Get, HttpException, type MessageEvent, Param, Sse, StreamableFile, Version } from '@nestjs/common'
import type { Caller } from 'modelward'
import { concat, NEVER, type Observable, of } from 'rxjs'
import { CallerParam, Guarded } from './guarded.js'

@Controller('more')
export class MoreController {
  @Get('teapot')
  teapot() {
    throw new HttpException('a teapot', 418)
  }
  @Get('broken')
  async broken() {
    throw new Error('the password is hunter2')
  }
  @Get('items/:id')
  item(@Param('id') id: string, @CallerParam() { owner, scopes }: Caller) {
    return { id, owner, scopes }
  }
  @Get('file')
  file() {
    return new StreamableFile(Buffer.from('of a file'))
  }
  @Sse('events')
  events(): Observable<MessageEvent> {
    return of({ data: 'one' }, { data: 'two' })
  }
  @Sse('endless')
  endless(): Observable<MessageEvent> {
    return concat(of({ data: 'one' }), NEVER)
  }
  @Version('1')
  @Get('versioned')
  first() {
    return { version: 1 }
  }
  @Version('2')
  @Get('versioned')
  @Guarded({ scope: 'predict' })
  second() {
    return { version: 2 }
  }
}
`
const moreMain = `
import { type INestApplication, VersioningType } from '@nestjs/common'
import { openModelward } from 'modelward'
import { createApp } from './app.js'

interface Head { readonly url: string }
interface Writer { readonly end: (text: string) => void }

const app: INestApplication = await createApp(await openModelward({ data: './modelward-data' }))
app.enableShutdownHooks()
app.enableCors()
if (process.env.VERSIONS === 'header') app.enableVersioning({ type: VersioningType.HEADER, header: 'x-version' })
else app.enableVersioning({ type: VersioningType.URI })
app.use((request: Head, response: Writer, next: () => void) => {
  console.log('middleware sees', request.url)
  if (request.url === '/own') response.end('of middleware')
  else next()
})
if (process.env.PLATFORM === 'express') app.getHttpServer().on('checkContinue', app.getHttpAdapter().getInstance())
await app.listen(process.env.PORT ?? 3000, '127.0.0.1')
console.log('listening on ' + (await app.getUrl()))
`
const closes = `
import { openModelward } from 'modelward'
import { createApp } from './app.js'

const app = await createApp(await openModelward({ data: './modelward-data' }))
await app.listen(0, '127.0.0.1')
await fetch(await app.getUrl())
await app.close()
console.log('closed')
`

const mistakes = `
import { Controller } from '@nestjs/common'
import { Guarded } from './guarded.js'

@Guarded({ scope: 'predict' })
@Controller()
export class OnClass {
  @Guarded({ scop: 'predict' })
  misspelt() {}
}
`

let project: Project
beforeEach(async () => {
  project = await openProject('nest')
})
afterEach(() => project[Symbol.asyncDispose]())

test('examples/nestjs holds the files of the guide, word for word, and its test passes', async () => {
  const { 'tsconfig.json': _own, 'app.test.ts': _test, ...shown } = example
  expect(shown).toEqual(onFastify)
  await project.write(example)
  await project.compile()
  expect(await project.run(['--test', 'dist/app.test.js'])).toMatch(/^# fail 0$|^ℹ fail 0$/m)
  const { key } = await project.createKey('--owner', 'acme', '--scope', 'predict')
  await using server = await project.start('dist/main.js')
  await expectAsSaid(readFileSync('examples/nestjs/README.md', 'utf8'), server, key)
})

describe(proves('NestJS on Fastify'), () => isGuarded('fastify', onFastify))
describe(proves('NestJS on Express'), () => isGuarded('express', { ...onFastify, 'guarded.ts': onExpress }))

function isGuarded(platform: 'fastify' | 'express', files: Readonly<Record<string, string>>): void {
  async function startMore(variables: Readonly<Record<string, string>> = {}): Promise<NodeServer> {
    const app = (files['app.ts'] ?? '')
      .replace('[ApiController]', '[ApiController, MoreController]')
      .replace('\n\n', "\nimport { MoreController } from './more.controller.js'\n\n")
    const own = { 'tsconfig.json': tsconfig, 'app.ts': app, 'more.controller.ts': more, 'main.ts': moreMain }
    await project.write({ ...files, ...own })
    await project.compile()
    return project.start('dist/main.js', { PLATFORM: platform, ...variables })
  }

  test('the guide as it stands: 200, 403, 401, a public route, the app’s test, and a ledger that verifies', async () => {
    await project.write({ ...files, 'tsconfig.json': tsconfig, 'app.test.ts': appTest })
    await project.compile()
    const { key } = await project.createKey('--owner', 'acme', '--scope', 'predict')
    const reader = await project.createKey('--owner', 'acme', '--scope', 'read')
    await using server = await project.start('dist/main.js')
    await expectAsSaid(guide, server, key)
    const predict = (headers: Readonly<Record<string, string>>, body: string): Promise<Response> =>
      fetch(`${server.address}/api/predict`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
      })
    const lacking = await predict({ 'x-api-key': reader.key }, '{"text":"hello"}')
    expect([lacking.status, await lacking.json()]).toMatchObject([403, { code: 'scope_missing' }])
    const unfit = await predict({ 'x-api-key': key }, '{}')
    expect([unfit.status, await unfit.json()]).toMatchObject([422, { detail: 'Send a text.' }])
    expect(server.log()).not.toMatch(/error|warning/i)
    expect(await project.requests()).toMatchObject([
      { event: 'request.admitted', owner: 'acme', status: 200, route: '/api/predict', code: null },
      { event: 'request.refused', status: 403, code: 'key_invalid' },
      { event: 'request.refused', status: 401, code: 'key_missing' },
      { event: 'request.refused', status: 403, code: 'scope_missing', route: '/api/predict' },
      { event: 'request.admitted', status: 422, code: 'input_invalid', route: '/api/predict' },
    ])
    expect(await project.run(['--test', 'dist/app.test.js'])).toMatch(/fail 0$/m)
  })

  test('exceptions, files, events and middleware are answered as by Nest, each with the record of its status', async () => {
    const { key } = await project.createKey('--owner', 'acme', '--scope', 'predict')
    await using server = await startMore()
    const ask = async (path: string): Promise<readonly [number, string]> => {
      const answer = await fetch(`${server.address}${path}`, { headers: { 'x-api-key': key } })
      return [answer.status, await answer.text()]
    }
    expect(await ask('/api/more/teapot')).toEqual([418, expect.stringContaining('a teapot')])
    expect(await ask('/api/more/broken')).toEqual([500, expect.not.stringContaining('hunter2')])
    expect(await ask('/api/more/items/7')).toEqual([200, '{"id":"7","owner":"acme","scopes":["predict"]}'])
    expect(await ask('/api/more/file')).toEqual([200, 'of a file'])
    expect(await ask('/api/more/events')).toEqual([200, expect.stringMatching(/data: one\n.*data: two\n/s)])
    expect(await ask('/own')).toEqual([200, 'of middleware'])
    expect((await ask('/api/none'))[0]).toBe(404)
    const streamed = (route: string) => [
      { event: 'request.started', route, status: 200, detail: null },
      { event: 'request.finished', route, status: 200, detail: null },
    ]
    expect(await project.requests()).toMatchObject([
      { event: 'request.admitted', route: '/api/more/teapot', status: 418, detail: null },
      { event: 'request.admitted', route: '/api/more/broken', status: 500, detail: null },
      { event: 'request.admitted', route: '/api/more/items/:id', status: 200, detail: null },
      ...streamed('/api/more/file'),
      ...streamed('/api/more/events'),
      { event: 'request.admitted', route: null, status: 200, detail: null },
      { event: 'request.admitted', status: 404, detail: null },
    ])
  })

  test('an event stream has its first record before its first byte, and ends with the key’s client', async () => {
    const { key } = await project.createKey()
    await using server = await startMore()
    const leaving = new AbortController()
    const answer = await fetch(`${server.address}/api/more/endless`, {
      headers: { 'x-api-key': key },
      signal: leaving.signal,
    })
    await answer.body?.getReader().read()
    expect(await project.requests()).toMatchObject([{ event: 'request.started', status: 200 }])
    leaving.abort()
    while ((await project.requests()).length < 2);
    expect((await project.requests())[1]).toMatchObject({
      event: 'request.finished',
      detail: { aborted: true },
    })
  })

  test.each([
    { versions: 'path', first: ['/api/v1/more/versioned', {}], second: ['/api/v2/more/versioned', {}] },
    {
      versions: 'header',
      first: ['/api/more/versioned', { 'x-version': '1' }],
      second: ['/api/more/versioned', { 'x-version': '2' }],
    },
  ] as const)(
    'versions by $versions: each has the guard of its own method',
    async ({ versions, first, second }) => {
      const { key } = await project.createKey('--scope', 'predict')
      const reader = await project.createKey('--scope', 'read')
      await using server = await startMore({ VERSIONS: versions })
      const ask = async ([path, headers]: typeof first | typeof second, key?: string): Promise<number> => {
        const sent = { ...headers, ...(key !== undefined && { 'x-api-key': key }) }
        return (await fetch(`${server.address}${path}`, { headers: sent })).status
      }
      expect([await ask(first, key), await ask(first, reader.key), await ask(first)]).toEqual([200, 200, 401])
      expect([await ask(second, key), await ask(second, reader.key), await ask(second)]).toEqual([
        200, 403, 401,
      ])
    },
  )

  test('without a key nothing of Nest runs and no body is read, withheld, sent or asked for', async () => {
    await using server = await startMore()
    const waiting = [
      ['content-type', 'application/json'],
      ['content-length', '2000000'],
      ['expect', '100-continue'],
    ] as const
    for (const path of ['/api/predict', '/api/more/teapot', '/own', '/none', '/api/none', '/']) {
      await expectRefusedUnread(server.port, path)
      const waits = formatRequest({ path, headers: waiting })
      const asked = await exchange(server.port, waits)
      expect([path, asked.status, asked.interim]).toEqual([path, 401, []])
    }
    expect(server.log()).not.toContain('middleware sees')
    const origin = { origin: 'https://app.example', 'access-control-request-method': 'POST' }
    const preflight = await fetch(`${server.address}/api/predict`, { method: 'OPTIONS', headers: origin })
    expect(preflight.status).toBe(platform === 'fastify' ? 204 : 401)
  })

  test('a revoked key is refused within a second, and SIGTERM writes what was only counted', async () => {
    const { id, key } = await project.createKey('--scope', 'predict')
    await using server = await startMore()
    const ask = async (headers: Readonly<Record<string, string>>): Promise<number> =>
      (await fetch(`${server.address}/api/more/items/1`, { headers })).status
    await expectRevokedInTime(project, id, () => ask({ 'x-api-key': key }))
    const strangers = 9
    for (let asked = 0; asked < strangers; asked += 1) expect(await ask({})).toBe(401)
    const missing = async (): Promise<readonly unknown[]> =>
      (await project.requests()).filter(({ code }) => code === 'key_missing')
    expect(await missing()).toHaveLength(5)
    expect(await server.end()).toEqual({ code: null, signal: 'SIGTERM' })
    expect(await missing()).toHaveLength(6)
  })

  test('a misspelt demand, and one on a class, are errors of the compiler', async () => {
    await project.write({ ...files, 'tsconfig.json': tsconfig, 'mistakes.ts': mistakes })
    const said = await project.compile().then(String, String)
    expect(said).toMatch(/mistakes\.ts\(5,1\): error TS1238/)
    expect(said).toMatch(/mistakes\.ts\(8,14\): error TS2561: .*'scop' does not exist/)
    expect(said.match(/^\S+: error/gm)?.every((line) => line.startsWith('mistakes.ts'))).toBe(true)
  })

  test('an app that is closed leaves nothing that keeps its process', async () => {
    await project.write({ ...files, 'tsconfig.json': tsconfig, 'closes.ts': closes })
    await project.compile()
    expect(await project.run(['dist/closes.js'])).toMatch(/closed\n$/)
  })
}
