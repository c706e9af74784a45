import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startApp } from '../package/start-app.ts'
import { folder } from './programs.ts'
import {
  answerOf,
  apps,
  ask,
  cleanAround,
  commandOf,
  createKey,
  expectGuarded,
  expectJobsDone,
  expectLimited,
  expectRevocable,
  expectSurvivesKill,
  expectVerified,
  freely,
  programOf,
  start,
  writeListings,
} from './runtimes.ts'
import { proves } from './support.ts'

/**
 * Titles of what Bun answers by itself, and of a text without a type, which has two records there.
 */
const different = ['30 OPTIONS *, no key', 'a web-standard handler: guards and records as its own']
const serve = commandOf('bunx --bun modelward serve')

cleanAround(...apps, 'report.json')

describe(proves('Bun: the library'), () => {
  test.each(['bun.ts', 'bun-hono.ts'])(
    '%s: guard, limits, and a revocation by the command line under Node',
    async (name) => {
      await writeListings(name)
      await using app = await start(commandOf(`bun ${name}`))
      await expectGuarded(app)
      await expectLimited(app)
      await expectRevocable(app)
      await expectVerified(15)
    },
  )

  test('a client at an address of its key is let in, and no other, as Hono knows it there', async () => {
    await writeListings('bun-hono.ts')
    await using app = await start(commandOf('bun bun-hono.ts'))
    const near = await createKey('--address', '127.0.0.1')
    const far = await createKey('--address', '192.0.2.1')
    expect(await answerOf(await ask(app.address(), near.key))).toBe('200')
    expect(await answerOf(await ask(app.address(), far.key))).toBe('403 address_denied')
  })

  test.each(apps)('guards the app %s, whose server is that of node:http', async (name) => {
    await cp(join('test/package/apps', name), join(folder, name))
    const app = await startApp(programOf('bun'), folder, [name, './modelward-data'])
    try {
      const answers = []
      for (const key of [undefined, 'wrong', app.key]) answers.push(await answerOf(await app.predict(key)))
      expect(answers).toEqual(['401 key_missing', '403 key_invalid', '200'])
    } finally {
      expect(await app.stop()).toBe('')
    }
  })

  test('kill -9 in the middle of load: no answered request lacks its record', async () => {
    await writeListings('bun.ts')
    await expectSurvivesKill(commandOf('bun bun.ts'))
  })

  test('the adapters pass their tests, but for what the guide says is different', async () => {
    const report = join(folder, 'report.json')
    const vitest = ['--bun', 'node_modules/vitest/vitest.mjs', 'run', '--pool=threads', 'test/adapters']
    const child = spawn(programOf('bun'), [...vitest, '--reporter=json', `--outputFile=${report}`], {
      stdio: 'ignore',
    })
    await once(child, 'close')
    const { numPassedTests, testResults } = JSON.parse(await readFile(report, 'utf8')) as {
      readonly numPassedTests: number
      readonly testResults: readonly {
        readonly assertionResults: readonly { readonly status: string; readonly title: string }[]
      }[]
    }
    const failed = testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .filter(({ status }) => status === 'failed')
    expect([...new Set(failed.map(({ title }) => title))].toSorted()).toEqual(different)
    expect(numPassedTests).toBeGreaterThan(1_900)
  })
})

describe(proves('Bun: `modelward serve`'), () => {
  test('guard, limits, and a revocation by the command line under Node', async () => {
    await using server = await start(serve, ['--port', '0', '--json'])
    await expectGuarded(server)
    await expectLimited(server)
    await expectRevocable(server)
    await expectVerified(15)
  })

  test('kill -9 in the middle of load: no answered request lacks its record', async () => {
    await expectSurvivesKill(serve, freely)
  })

  test('a job is done, with a model in a thread and one in a process', async () => {
    await expectJobsDone(serve)
  })

  test('a connection with thousands of requests at once is cut off, and others are served', async () => {
    await using server = await start(serve, freely)
    const { key } = await createKey()
    const socket = connect(Number(new URL(server.address()).port), '127.0.0.1')
    const closed = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve))
    socket.resume().write('GET /health HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(20_000))
    await closed
    expect(await answerOf(await ask(server.address(), key))).toBe('200')
  })
})
