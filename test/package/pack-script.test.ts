import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const execute = promisify(execFile)

// A tree with our script and a build that takes no time.
const build = `import { mkdirSync, writeFileSync } from 'node:fs'
for (const name of ['one', 'two']) {
  mkdirSync('dist/' + name, { recursive: true })
  writeFileSync('dist/' + name + '/package.json', JSON.stringify({ name, version: '1.0.0' }))
}`
const packages = `export const library = { folder: 'dist/one' }
export const server = { folder: 'dist/two' }`

let tree: string

beforeAll(async () => {
  tree = await mkdtemp(join(tmpdir(), 'modelward-pack-script-'))
  await mkdir(join(tree, 'scripts'))
  await copyFile(resolve('scripts/package.ts'), join(tree, 'scripts/package.ts'))
  await writeFile(join(tree, 'package.json'), '{"type":"module"}')
  await writeFile(join(tree, 'scripts/build.ts'), build)
  await writeFile(join(tree, 'scripts/packages.ts'), packages)
})

afterAll(() => rm(tree, { recursive: true, force: true }))

test('`npm run package` makes the folder that it packs into', async () => {
  const env = { ...process.env, npm_lifecycle_event: 'package' }
  const folder = join(tree, 'out/of/the/way')
  await execute(process.execPath, ['scripts/package.ts', folder], { cwd: tree, env })
  expect(await readdir(folder)).toEqual(['one-1.0.0.tgz', 'two-1.0.0.tgz'])
})
