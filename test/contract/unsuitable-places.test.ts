import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openModelward } from '../../src/index.ts'
import { mountSmallDisk } from './small-disk.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

const index = JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)

/** What a ward says that is opened behind this prelude: its code and its sentence. */
function open(prelude: string, data: string): { readonly code?: string; readonly message?: string } {
  const program = `
    ${prelude}
    const { createTestWard, openModelward } = await import(${index})
    const trial = await createTestWard({ keys: { alice: {} } })
    if ((await trial.keys.list({})).keys.length !== 1) throw new Error('a ward in memory has no key')
    const refused = await openModelward({ data: ${JSON.stringify(data)} }).catch((error) => error)
    console.log(JSON.stringify({ code: refused.code, message: refused.message }))
  `
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

const works =
  'openModelward needs Node.js, Bun or Deno; here createTestWard works, without jobs and with keys in memory, or pass requests on, with their keys, to a server that Modelward guards'

test.each([
  [
    'on Cloudflare Workers',
    "Object.defineProperty(globalThis, 'navigator', { value: { userAgent: 'Cloudflare-Workers' } })",
    'Cloudflare Workers has no SQLite, no threads and no disk',
  ],
  [
    'in an edge runtime, as Next.js has one',
    "globalThis.EdgeRuntime = 'edge-runtime'",
    'an edge runtime has no SQLite, no threads and no disk',
  ],
  [
    'where there is no node:sqlite',
    `const { getBuiltinModule } = process
     process.getBuiltinModule = (name) => name === 'node:sqlite' ? undefined : getBuiltinModule.call(process, name)`,
    'this runtime has no node:sqlite',
  ],
])('%s a deployment says at once what works there, and a ward in memory does', (_, prelude, why) => {
  const data = join(createTemporaryFolder(), 'data')
  expect(open(prelude, data)).toEqual({ code: 'runtime_unsuitable', message: `${why}: ${works}` })
})

test('on a read-only file system, as in a serverless image, it says what to name in its place', async (context) => {
  const image = createTemporaryFolder()
  if (!mountSmallDisk(image)) return context.skip()
  mkdirSync(join(image, 'made'), { mode: 0o700 })
  execFileSync('mount', ['-o', 'remount,ro', image])
  onTestFinished(() => void execFileSync('mount', ['-o', 'remount,rw', image]))
  const says =
    /^\/\S+: this file system is read-only, as in a serverless image; name a folder on a disk that can be written and stays, or a fleet’s database URL and Redis URL in its place \(/
  for (const name of ['data', 'made', 'deep/data'])
    await expect(openModelward({ data: join(image, name) })).rejects.toMatchObject({
      code: 'data_unwritable',
      message: expect.stringMatching(says),
    })
})
