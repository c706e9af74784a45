import { execFile } from 'node:child_process'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type App, startApp } from '../package/start-app.ts'
import { folder, run, write } from './programs.ts'
import { proves } from './support.ts'

const bundled = 'bundle/app.js'
let app: App | undefined

beforeEach(async () => {
  await cp('test/package/apps/web.mjs', join(folder, 'app.mjs'))
})
afterEach(async () => {
  await app?.stop()
  app = undefined
  for (const path of ['bundle', 'data', 'app.mjs', 'vite.config.mjs'])
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

/** What an app that cannot open its ward says before it ends. */
async function failureOf(file: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(process.execPath, [file, './data'], { cwd: folder }, (_error, _stdout, stderr) =>
      resolve(stderr),
    )
  })
}

const advice = /SetupError: .*cannot load its program .*leave the package modelward out of the bundle/

describe(proves('esbuild'), () => {
  test('--external:modelward, as the guide says, guards', async () => {
    await esbuild('--external:modelward')
    await expectGuarded()
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

describe(proves('Vite SSR'), () => {
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
