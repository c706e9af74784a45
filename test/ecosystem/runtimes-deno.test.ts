import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { folder, run, write } from './programs.ts'
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
  launch,
  listingOf,
  start,
  writeListings,
} from './runtimes.ts'
import { proves } from './support.ts'

const library = commandOf('deno.ts')
const serve = commandOf('npm:modelward serve')
const commands = serve.replace(/ serve$/, '')

cleanAround(...apps, 'deno-hono.ts')

describe(proves('Deno: the library'), () => {
  test('Deno.serve: guard, limits, and a revocation by the command line under Node', async () => {
    await writeListings('deno.ts')
    await using app = await start(library)
    await expectGuarded(app)
    await expectLimited(app)
    await expectRevocable(app)
    await expectVerified(15)
  })

  test.each(['--allow-read=', '--allow-write=', '--allow-sys=', '--allow-net='])(
    'no permission is asked for in vain: without %s it says which is missing',
    async (flag) => {
      await writeListings('deno.ts')
      const words = library.split(' ')
      const less = words.filter((word) => !word.startsWith(flag))
      expect(less).toHaveLength(words.length - 1)
      await using app = launch([...less.slice(0, 2), '--no-prompt', ...less.slice(2)].join(' '))
      await app.said(new RegExp(`run again with the ${flag.slice(0, -1)} flag`))
      expect(app.log()).not.toContain('listening')
    },
  )

  test('Hono on Deno.serve, and a client at an address of its key', async () => {
    const hono = listingOf('bun-hono.ts')
      .replace('hono/bun', 'hono/deno')
      .replace(/^const server = [\s\S]*$/m, /^const onListen[\s\S]*$/m.exec(listingOf('deno.ts'))?.[0] ?? '')
      .replace('predict)', 'app.fetch)')
    await write({ 'deno-hono.ts': hono })
    await using app = await start(library.replace('deno.ts', 'deno-hono.ts'))
    await expectGuarded(app)
    const near = await createKey('--address', '127.0.0.1')
    const far = await createKey('--address', '192.0.2.1')
    expect(await answerOf(await ask(app.address(), near.key))).toBe('200')
    expect(await answerOf(await ask(app.address(), far.key))).toBe('403 address_denied')
  })

  test.each(apps)('guards the app %s, whose server is that of node:http', async (name) => {
    await cp(join('test/package/apps', name), join(folder, name))
    await using app = launch(`deno run -A ${name} ./modelward-data`)
    await app.said(/"port":\d+/)
    const { port, key } = JSON.parse(app.log()) as { readonly port: number; readonly key: string }
    const answers = []
    for (const presented of ['', 'wrong', key])
      answers.push(await answerOf(await ask(`http://127.0.0.1:${port}`, presented)))
    expect(answers).toEqual(['401 key_missing', '403 key_invalid', '200'])
  })

  test('kill -9 in the middle of load: no answered request lacks its record', async () => {
    await writeListings('deno.ts')
    await expectSurvivesKill(library)
  })
})

describe(proves('Deno: the command line'), () => {
  test('serves: guard, limits, and a revocation by the command line under Node', async () => {
    await using server = await start(serve, ['--port', '0', '--json'])
    await expectGuarded(server)
    await expectLimited(server)
    await expectRevocable(server)
    await expectVerified(15)
    expect(server.log()).not.toMatch(/"level":"(?:warn|error|fatal)"|no control socket/)
  })

  test('kill -9 in the middle of load: no answered request lacks its record', async () => {
    await expectSurvivesKill(serve, freely)
  })

  test('makes a key that Node knows, and verifies a ledger that Node has written', async () => {
    await createKey()
    await using made = launch(`${commands} keys create --name deno --json`)
    await made.said(/"key"/)
    await using verified = launch(`${commands} ledger verify --json`)
    await verified.said(/"ok":true/)
    expect(await run('modelward', 'keys', 'list')).toMatch(/ deno /)
  })

  test('says which permission a command lacks', async () => {
    await using made = launch('deno run --no-prompt --allow-read=. npm:modelward keys list')
    await made.said(/Deno: Requires \w+ access .*, run again with the --allow-\w+ flag/)
  })

  test('a job is done, with a model in a thread and one in a process', async () => {
    // A process of its own is one more permission.
    await expectJobsDone(serve.replace(' --allow-env', ' --allow-env --allow-run'))
  })
})
