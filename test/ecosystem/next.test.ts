import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { createGuideModules } from '../docs/guide-modules.ts'
import { isAsSaid, readRequests } from '../docs/page-requests.ts'
import { folder, run, runLine, type Server, startNext, write } from './programs.ts'
import { proves } from './support.ts'

const guide = readFileSync('docs/guides/nextjs.md', 'utf8')
const { files } = createGuideModules('docs/guides/nextjs.md', guide)
const listings = Object.fromEntries([...files].filter(([name]) => name !== 'page.ts'))
const route = 'app/api/predict/route.ts'
const config = 'next.config.ts'
/** The app without its configuration, which leaves the package out of the bundle. */
const { [config]: leavesOut = '', ...app } = listings
/** The compiler's settings of examples/next-handler, which has the listings of the guide. */
const settings = readFileSync('examples/next-handler/tsconfig.json', 'utf8')

/** The command of the guide that makes a key, and its requests with the answers that it states. */
const [createKeyLine = ''] = /^npx modelward keys create .*$/m.exec(guide) ?? []
const requests = readRequests(guide)

/** Removed before each test, so that none finds what another has built. */
const built = ['.next', 'modelward-data', 'next-env.d.ts', 'tsconfig.json', ...Object.keys(listings)]

beforeEach(async () => {
  for (const path of built) await rm(join(folder, path), { recursive: true, force: true })
  await write({ ...app, 'tsconfig.json': settings })
})

async function createKey(...args: readonly string[]): Promise<string> {
  const line = [createKeyLine, ...args, '--json'].join(' ')
  return (JSON.parse(await runLine(line, {})) as { readonly key: string }).key
}

async function expectAsSaid(server: Server, key: string): Promise<void> {
  expect(requests.map(({ said }) => said)).toEqual(['200', '403 key_invalid', '401 key_missing'])
  for (const request of requests) {
    const line = request.command.replace('http://127.0.0.1:3000', server.address)
    const answer = await runLine(`${line} -s -w '\\n%{http_code}'`, { KEY: key })
    const [, body = '', status = ''] = /^(.*)\n(\d{3})$/s.exec(answer) ?? []
    expect([line, answer, isAsSaid(request, status, body)]).toEqual([line, answer, true])
  }
}

/** What is left of a key's only limit, as its answer tells. */
function remainingOf(response: Response): number {
  const [, remaining] = /;r=(\d+)/.exec(response.headers.get('ratelimit') ?? '') ?? []
  return Number(remaining)
}

function predict(server: Server, key: string): Promise<Response> {
  const headers = { 'x-api-key': key, 'content-type': 'application/json' }
  return fetch(`${server.address}/api/predict`, { method: 'POST', headers, body: '{"text":"hello"}' })
}

/** With each bundler, what the guide tells to write, and what works or says what to write. */
const bundlers = [
  { row: proves('Next.js with Turbopack'), bundler: '--turbopack', told: {}, other: leavesOut },
  {
    row: proves('Next.js with webpack'),
    bundler: '--webpack',
    told: { [config]: leavesOut },
    other: 'export default {}\n',
  },
] as const

describe.each(bundlers)('$row', ({ bundler, told, other }) => {
  beforeEach(() => write(told))

  test('builds and serves the guide as it stands: 200, 403, 401, and a ledger that verifies', async () => {
    const key = await createKey()
    await run('next', 'build', bundler)
    {
      await using server = await startNext('start')
      await expectAsSaid(server, key)
      expect(server.log()).not.toMatch(/error|warning/i)
    }
    // Next.js found nothing to change in them, as it does in a project that lacks some.
    expect(readFileSync(join(folder, 'tsconfig.json'), 'utf8')).toBe(settings)
    const { records } = JSON.parse(await run('modelward', 'ledger', 'verify', '--json'))
    expect(records).toBeGreaterThan(requests.length)
  })

  test(`${proves('Next.js in development')}: an edit keeps the ward, what was used of limits goes on counting`, async () => {
    const most = 100_000
    const key = await createKey('--limit', `${most}/h`)
    await using server = await startNext('dev', bundler)
    let used = 0
    async function ask(): Promise<unknown> {
      const response = await predict(server, key)
      used += 1
      expect([response.status, remainingOf(response)]).toEqual([200, most - used])
      return ((await response.json()) as { readonly edition?: number }).edition
    }
    for (let asked = 0; asked < 5; asked += 1) expect(await ask()).toBeUndefined()
    // Both modules are loaded again.
    await write({
      'lib/ward.ts': `${listings['lib/ward.ts']}\nexport const edition = 2\n`,
      [route]: (listings[route] ?? '')
        .replace('import { openWard }', 'import { edition, openWard }')
        .replace('length: text.length', 'length: text.length, edition'),
    })
    while ((await ask()) !== 2);
    for (let asked = 0; asked < 5; asked += 1) expect(await ask()).toBe(2)
  })

  test('with and without `serverExternalPackages` it works, or its log says what to write there', async () => {
    await write({ [config]: other })
    const key = await createKey()
    await run('next', 'build', bundler)
    await using server = await startNext('start')
    const { status } = await predict(server, key)
    if (status === 200) await expectAsSaid(server, key)
    else {
      expect(status).toBe(503)
      expect(server.log()).toMatch(/thread_missing/)
      expect(server.log()).toMatch(/`serverExternalPackages` in Next\.js/)
    }
  })
})
