import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installNodes, type Nodes, nodeVersions } from '../package/install-nodes.ts'
import { run, write } from './programs.ts'
import {
  ask,
  cleanAround,
  commandOf,
  createKey,
  expectGuarded,
  expectLimited,
  expectRevocable,
  expectVerified,
  launch,
  listingOf,
  start,
  writeListings,
} from './runtimes.ts'
import { proves } from './support.ts'

let nodes: Nodes

beforeAll(async () => {
  nodes = await installNodes(nodeVersions)
})
afterAll(() => nodes?.remove())
cleanAround('entries.cjs')

interface Answer {
  readonly status: number
  readonly body: { readonly code?: string; readonly process?: number; readonly edition?: number }
}

/** On a connection of its own, which the workers of a cluster get in turn. */
async function askAlone(address: string, key: string): Promise<Answer> {
  const headers = { 'x-api-key': key, 'content-length': 0 }
  const sent = httpRequest(`${address}/predict`, { method: 'POST', headers, agent: false }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: response.statusCode ?? 0, body: (await json(response)) as Answer['body'] }
}

describe(proves('CommonJS `require`'), () => {
  test.each(nodeVersions)('under Node %s: an app guards, and nothing is warned of', async (version) => {
    await writeListings('app.cjs')
    await using app = await start(commandOf('node app.cjs'), [], nodes.programOf(version))
    await expectGuarded(app)
    await expectLimited(app)
    await expectRevocable(app)
    expect(app.log()).toMatch(/^listening on \S+\n$/)
  })

  test.each(nodeVersions)(
    'under Node %s: every entry loads, and import() gives the same copy',
    async (version) => {
      const entries = `
      const names = Object.keys(require('modelward/package.json').exports).filter((name) => !/json$|\\*/.test(name))
      async function compare(name) {
        const entry = name.replace('.', 'modelward')
        const [required, imported] = [require(entry), await import(entry)]
        const same = Object.keys(imported).every((key) => key === 'module.exports' || imported[key] === required[key])
        return [entry, Object.keys(required).length > 0 && same]
      }
      Promise.all(names.map(compare)).then((all) => console.log(JSON.stringify(all)))`
      await write({ 'entries.cjs': entries })
      await using loaded = launch('node entries.cjs', [], nodes.programOf(version))
      await loaded.said(/\n/)
      const all = JSON.parse(loaded.log()) as readonly (readonly [string, boolean])[]
      expect(all.length).toBeGreaterThan(5)
      expect(all.filter(([, isSame]) => !isSame)).toEqual([])
    },
  )
})

describe(proves('node:cluster'), () => {
  test.each(nodeVersions)(
    'under Node %s: workers share keys, revocations and the ledger, and count limits each by itself',
    async (version) => {
      await writeListings('cluster.ts', 'server.ts')
      await using app = await start(commandOf('node cluster.ts'), [], nodes.programOf(version))
      await app.said(/listening[\s\S]*listening/)
      await expectGuarded(app)
      expect(app.log().match(/limiter\.not_shared/g)).toHaveLength(1)

      const limited = await createKey('--limit', '5/h')
      const admitted = new Map<number, number>()
      for (let asked = 0; asked < 20; asked += 1) {
        const { status, body } = await askAlone(app.address(), limited.key)
        if (status === 200) admitted.set(body.process ?? 0, (admitted.get(body.process ?? 0) ?? 0) + 1)
        else expect([status, body.code]).toEqual([429, 'rate_limited'])
      }
      expect([...admitted.values()]).toEqual([5, 5])

      const revoked = await createKey('--limit', 'none')
      expect((await askAlone(app.address(), revoked.key)).status).toBe(200)
      await run('modelward', 'keys', 'revoke', revoked.id)
      const endedAt = performance.now()
      let refusedAt = endedAt
      for (let refused = 0; refused < 10; ) {
        const { status, body } = await askAlone(app.address(), revoked.key)
        if (status === 200) {
          refusedAt = performance.now()
          refused = 0
        } else {
          expect([status, body.code]).toEqual([403, 'key_revoked'])
          refused += 1
        }
      }
      expect(refusedAt - endedAt).toBeLessThan(1_000)
      await expectVerified(30)
    },
  )
})

describe.each([
  [proves('tsx watch'), 'npx tsx watch server.ts'],
  ['node --watch', 'node --watch server.ts'],
])('%s', (_name, command) => {
  test('an edit restarts the app on the same data folder, and long limits go on', async () => {
    const most = 100
    await writeListings('server.ts')
    await using app = await start(commandOf(command))
    await expectGuarded(app)
    const { key } = await createKey('--limit', `${most}/h`)
    let used = 0
    async function askOnce(): Promise<number | undefined> {
      const response = await ask(app.address(), key)
      used += 1
      const [, remaining] = /;r=(\d+)/.exec(response.headers.get('ratelimit') ?? '') ?? []
      expect([response.status, Number(remaining)]).toEqual([200, most - used])
      return ((await response.json()) as Answer['body']).edition
    }
    for (let asked = 0; asked < 5; asked += 1) expect(await askOnce()).toBeUndefined()
    const before = app.log().length
    await write({ 'server.ts': listingOf('server.ts').replace('{ owner:', '{ edition: 2, owner:') })
    await app.said(/listening on/, before)
    for (let asked = 0; asked < 5; asked += 1) expect(await askOnce()).toBe(2)
    expect(app.log()).not.toMatch(/limiter\.|unclean|data_/)
    await expectVerified(10)
  })
})
