import { execFile } from 'node:child_process'
import { cp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type App, startApp } from '../package/start-app.ts'
import { createKey, expectGuardedApp, expectVerified } from './guide-app.ts'
import { readGuidePage } from './guide-page.ts'
import { folder, run, runLine, write } from './programs.ts'
import { proves } from './support.ts'

const guide = readGuidePage('docs/guides/bundlers.md')
const bundled = 'bundle/app.js'
const advice = /SetupError\]?: .*cannot load its program .*leave the package modelward out of the bundle/
let app: App | undefined

beforeEach(async () => {
  await cp('test/package/apps/web.mjs', join(folder, 'app.mjs'))
})
afterEach(async () => {
  await app?.stop()
  app = undefined
  const written = ['bundle', 'data', 'dist', 'modelward-data', 'app.mjs', 'model.mjs', 'vite.config.mjs']
  for (const path of [...written, ...Object.keys(guide.files)])
    await rm(join(folder, path), { recursive: true, force: true })
})

const esbuild = (...args: readonly string[]): Promise<string> =>
  run('esbuild', 'app.mjs', '--bundle', '--platform=node', '--format=esm', `--outfile=${bundled}`, ...args)

async function vite(ssr: string): Promise<string> {
  await write({ 'vite.config.mjs': `export default { ssr: ${ssr}, logLevel: 'warn' }\n` })
  return run('vite', 'build', '--ssr', 'app.mjs', '--outDir', 'bundle')
}

async function expectGuarded(file = bundled): Promise<void> {
  app = await startApp(process.execPath, folder, [file, './data'])
  const statuses = []
  for (const key of [undefined, 'wrong', app.key]) statuses.push((await app.predict(key)).status)
  expect(statuses).toEqual([401, 403, 200])
  await app.stop()
  app = undefined
  const { records } = JSON.parse(await run('modelward', 'ledger', 'verify', '--data', 'data', '--json'))
  expect(records).toBeGreaterThan(3)
}

/** Runs the commands of a section of the guide, with its app and this file of it. */
async function expectAsTheGuideSays(heading: string, configuration?: string): Promise<void> {
  await writeGuideApp(configuration === undefined ? {} : { [configuration]: guide.file(configuration) })
  const commands = guide.commands(heading)
  expect(commands.at(-1)).toBe('node dist/app.js')
  for (const command of commands.slice(0, -1)) await runLine(command, {})
  await expectGuardedApp('dist/app.js', await createGuideKey())
  await expectVerified()
}

async function writeGuideApp(files: Readonly<Record<string, string>>): Promise<void> {
  await write({ 'app.js': guide.file('app.js').replace('port: 3000', 'port: 0'), ...files })
}

function createGuideKey(): Promise<string> {
  const [line = ''] = guide
    .commands('Bundlers and test runners')
    .filter((command) => /keys create/.test(command))
  return createKey(line)
}

const modelApp = `import { createModelRuntime } from 'modelward/models'
const runtime = await createModelRuntime({ models: ['./model.mjs'], threads: 1 })
console.log(await runtime.models.get('lengths').predict(['abc']))
await runtime.close()
`
const modelOf = (runs: string): string => `export default {
  name: 'lengths', version: 'lengths-1', runs: '${runs}', input: 'text', batchMax: 4,
  predict: (inputs) => inputs.map((input) => input.length),
}
`
const fleetApp = `import { openModelward } from 'modelward'
const [pepper, signingKey] = process.argv.slice(3)
await openModelward({ databaseUrl: 'postgres://127.0.0.1:1/a', redisUrl: 'redis://127.0.0.1:1', pepper, signingKey })
`

/** Does something while a package that is installed cannot be found. */
async function without(name: string, act: () => Promise<void>): Promise<void> {
  const installed = join(folder, 'node_modules', name)
  const hidden = join(folder, `${name}-hidden`)
  await rename(installed, hidden)
  try {
    await act()
  } finally {
    await rename(hidden, installed)
  }
}

/** What an app that cannot open its ward says before it ends. */
async function failureOf(file: string, ...args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(process.execPath, [file, './data', ...args], { cwd: folder }, (_error, _stdout, stderr) =>
      resolve(stderr),
    )
  })
}

describe(proves('esbuild'), () => {
  test('as the guide says, guards', async () => {
    await expectAsTheGuideSays('esbuild')
  })

  test('a single file says at opening what it lacks', async () => {
    await esbuild()
    expect(await failureOf(bundled)).toMatch(advice)
    expect(await failureOf(bundled)).toContain('thread_missing')
  })

  test('a single file with a threaded model says the same of its thread', async () => {
    const app =
      "import { createModelRuntime } from 'modelward/models'\ncreateModelRuntime({ models: ['./m.mjs'] })\n"
    await write({ 'app.mjs': app, 'm.mjs': '// The thread that would load it cannot start.' })
    await esbuild()
    expect(await failureOf(bundled)).toMatch(advice)
  })

  test('a single CommonJS file, which knows no URL of itself, says the same', async () => {
    await write({
      'app.mjs': "import { openModelward } from 'modelward'\nopenModelward({ data: './data' })\n",
    })
    await esbuild('--format=cjs', '--outfile=bundle/app.cjs')
    expect(await failureOf('bundle/app.cjs')).toMatch(advice)
  })

  test('a single file with the programs of its threads beside it guards', async () => {
    await esbuild()
    const program = 'node_modules/modelward/dist/storage/sqlite/ledger/ledger-thread.js'
    await run('esbuild', program, '--bundle', '--platform=node', '--format=esm', '--outdir=bundle')
    await expectGuarded()
  })
})

/** The guide's configuration without the line that leaves the package out. */
const whole = guide.file('webpack.config.js').replace(/^ {2}externals.*\n/m, '')
const commonJs = whole
  .replace(/^ {2}experiments.*\n/m, '')
  .replace("output: { filename: 'app.js', module: true }", "output: { filename: 'app.cjs' }")

const forms = [
  { form: 'modules', config: whole, file: 'dist/app.js' },
  { form: 'CommonJS', config: commonJs, file: 'dist/app.cjs' },
]

describe(proves('webpack'), () => {
  test('as the guide says, guards', async () => {
    await expectAsTheGuideSays('webpack', 'webpack.config.js')
  })

  describe.each(forms)('with all in the bundle, as $form,', ({ config, file }) => {
    async function build(app?: string): Promise<string> {
      await writeGuideApp({ 'webpack.config.js': config, ...(app === undefined ? {} : { 'app.js': app }) })
      return runLine('npx webpack', {})
    }

    test('guards without the package, and is built without a warning', async () => {
      expect(await build()).not.toMatch(/warning/i)
      const key = await createGuideKey()
      await without('modelward', () => expectGuardedApp(file, key))
      await expectVerified()
    })

    test('runs a model in a thread; one in a process says at opening what it lacks', async () => {
      await build(modelApp)
      await write({ 'model.mjs': modelOf('threaded') })
      expect(await runLine(`'${process.execPath}' ${file}`, {})).toBe('[ 3 ]\n')
      await write({ 'model.mjs': modelOf('process') })
      expect(await failureOf(file)).toMatch(advice)
    })

    test('finds the driver of a database beside it when it runs, or says how to install it', async () => {
      await build(fleetApp)
      const secrets = Object.values(JSON.parse(await run('modelward', 'secrets', 'create', '--json')))
      const failure = () => failureOf(file, ...secrets.map(String))
      // The server has brought it.
      await without('pg', async () => {
        expect(await failure()).toMatch(/SetupError\]?: .*npm install pg$/m)
      })
      await write({
        'dist/node_modules/pg/package.json': '{"name":"pg","main":"index.js"}',
        'dist/node_modules/pg/index.js': "throw new Error('the driver was found')",
      })
      expect(await failure()).toMatch(/the driver was found/)
    })
  })
})

describe(proves('Rolldown'), () => {
  test('as the guide says, guards', async () => {
    await expectAsTheGuideSays('Rolldown and Rollup', 'rolldown.config.js')
  })
})

describe(proves('Vite SSR'), () => {
  test('as the guide says, guards', async () => {
    await expectAsTheGuideSays('Vite', 'vite.config.js')
  })

  test('guards by default, which leaves packages out', async () => {
    await vite('{}')
    await expectGuarded()
  })

  test('`noExternal: true` with the exception that the guide names guards', async () => {
    await vite("{ noExternal: true, external: ['modelward'] }")
    await expectGuarded()
  })

  test('`noExternal: true` works, or says at opening what it lacks', async () => {
    await vite('{ noExternal: true }')
    expect(await failureOf(bundled)).toMatch(advice)
  })
})

describe('an app that reads keys alone', () => {
  const config = whole.replace('output: {', 'optimization: { minimize: false },\n  output: {')
  const builds = [
    {
      bundler: 'esbuild',
      build: 'npx esbuild app.js --bundle --platform=node --format=esm --outfile=dist/app.js',
    },
    { bundler: 'webpack', build: 'npx webpack' },
    { bundler: 'Rolldown', build: 'npx rolldown app.js --platform node --dir dist' },
    { bundler: 'Vite', build: 'npx vite build' },
  ]
  const app = `import { parseKey } from 'modelward'
const found = parseKey(process.argv[2], { prefix: 'mw', environment: 'live' })
console.log(JSON.stringify(found))
`

  test.each(builds)('carries no guard and no storage with $bundler', async ({ build }) => {
    const vite = "export default { build: { ssr: 'app.js', minify: false }, ssr: { noExternal: true } }\n"
    await write({ 'app.js': app, 'webpack.config.js': config, 'vite.config.js': vite })
    await runLine(build, {})
    const files = await readdir(join(folder, 'dist'), { recursive: true })
    expect(files).toEqual(['app.js'])
    const text = await readFile(join(folder, 'dist/app.js'), 'utf8')
    expect(text.length).toBeLessThan(8_000)
    expect(text).not.toMatch(/sqlite|worker_threads/)
    const key = await createGuideKey()
    expect(await runLine(`'${process.execPath}' dist/app.js ${key}`, {})).toMatch(/^\{.*\}$/m)
  })
})
