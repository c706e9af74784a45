import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { proves } from '../ecosystem/support.ts'
import { createProject, type Project } from './create-project.ts'
import { installNodes, type Nodes, nodeVersions, oldNodeVersions } from './install-nodes.ts'
import { type Packed, packPackage } from './pack-package.ts'
import { startApp } from './start-app.ts'

const execute = promisify(execFile)

/** One project for these: that none asks for another's framework is tested with bad input. */
const frameworks = { hono: '4', '@hono/node-server': '2', express: '5', fastify: '5' } as const
const oldFastify = { fastify: '5.0.0' } as const

/** Each app, and what a stranger would install beside the package. */
const apps = [
  { app: 'hono.mjs', beside: frameworks },
  { app: 'express.mjs', beside: frameworks },
  { app: 'fastify.mjs', beside: frameworks },
  // Another Fastify than the server's own.
  { app: 'fastify.mjs', beside: oldFastify },
] as const

let packed: Packed
let nodes: Nodes
/** The package and nothing else: not even what it depends on. */
let alone: Project
const projects = new Map<(typeof apps)[number]['beside'], Project>()

beforeAll(async () => {
  packed = await packPackage()
  const dependencies = { modelward: `file:${packed.tarball}` }
  alone = await createProject(dependencies)
  for (const name of await readdir(join(alone.folder, 'node_modules')))
    if (name !== 'modelward') await rm(join(alone.folder, 'node_modules', name), { recursive: true })
  for (const beside of [frameworks, oldFastify])
    projects.set(beside, await createProject({ ...dependencies, ...beside }))
  nodes = await installNodes([...nodeVersions, ...oldNodeVersions])
}, 240_000)

afterAll(async () => {
  await Promise.all([packed, nodes, alone, ...projects.values()].map((made) => made?.remove()))
})

describe.each(nodeVersions)(`${proves('Node.js')}: under Node %s`, (version) => {
  test('runs on the Node that it says', async () => {
    const { stdout } = await execute(nodes.programOf(version), ['--version'])
    expect(stdout.trim()).toMatch(new RegExp(`^v${version}(\\.|$)`))
  })

  test('loads without another package, and without a word', async () => {
    const program = 'import("modelward").then(({ openModelward }) => console.log(typeof openModelward))'
    const { stdout, stderr } = await execute(nodes.programOf(version), ['-e', program], {
      cwd: alone.folder,
    })
    expect({ stdout: stdout.trim(), stderr }).toEqual({ stdout: 'function', stderr: '' })
  })

  test('says what metrics and traces need, where that is not there', async () => {
    const program = `
      const { openModelward } = await import('modelward')
      const { prometheus } = await import('modelward/prometheus')
      const { openTelemetry } = await import('modelward/opentelemetry')
      for (const listener of [prometheus(), openTelemetry()])
        await openModelward({ data: 'none', telemetry: [listener] }).catch(({ code, message }) => console.log(code, message))`
    const { stdout } = await execute(nodes.programOf(version), ['--input-type=module', '-e', program], {
      cwd: alone.folder,
    })
    expect(stdout.trim().split('\n')).toEqual([
      'peer_missing metrics need the package prom-client: npm install prom-client',
      'peer_missing traces need the package @opentelemetry/api: npm install @opentelemetry/api',
    ])
  })

  test('opens a data folder and guards a web-standard handler without another package', async () => {
    await expectGuarded(version, alone, 'web.mjs')
  })

  test.each(apps)('guards a route of $app beside $beside', async ({ app, beside }) => {
    await expectGuarded(version, projects.get(beside), app)
  })
})

describe.each(oldNodeVersions)(`${proves('Node.js before 22.19')}: under Node %s`, (version) => {
  const sentence = new RegExp(`^modelward needs Node\\.js 22\\.19 or newer, and this is ${version}\\.`)
  const installed = () => projects.get(apps[0].beside)?.folder ?? ''

  test('every entry says so, with both versions, in place of whatever is missing there', async () => {
    const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly exports: object }
    const entries = Object.keys(exports).filter((path) => !path.endsWith('.json'))
    expect(entries.length).toBeGreaterThan(5)
    for (const entry of entries) {
      const name = entry.replace('.', 'modelward')
      // What Node warns of itself, and of what else an entry imports, is no matter here.
      const program = `import('${name}').then(() => console.log('loaded'), ({ message }) => console.log(message))`
      const { stdout } = await execute(nodes.programOf(version), ['-e', program], { cwd: installed() })
      expect([name, stdout]).toEqual([name, expect.stringMatching(sentence)])
    }
  })

  test('the command line says so and ends with status 3', async () => {
    const main = 'node_modules/modelward/dist/bin/modelward.js'
    const ended = await execute(nodes.programOf(version), [main, 'serve'], { cwd: installed() }).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(ended).toMatchObject({ code: 3, stdout: '', stderr: expect.stringMatching(sentence) })
  })
})

async function expectGuarded(version: string, project: Project | undefined, script: string): Promise<void> {
  if (project === undefined) throw new Error(`there is no project for ${script}`)
  const app = await startApp(nodes.programOf(version), project.folder, [script, `./data-${version}`])
  const answers: unknown[] = []
  try {
    for (const key of [undefined, 'wrong', app.key]) {
      const response = await app.predict(key)
      const { code, owner } = (await response.json()) as { readonly code?: string; readonly owner?: string }
      answers.push([response.status, code ?? owner])
    }
  } finally {
    // Standard error belongs to the app: no warning of ours, nor one that Node has of what we use.
    expect(await app.stop()).toBe('')
  }
  expect(answers).toEqual([
    [401, 'key_missing'],
    [403, 'key_invalid'],
    [200, 'acme'],
  ])
}
