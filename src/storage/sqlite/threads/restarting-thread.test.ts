import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker, type WorkerOptions } from 'node:worker_threads'
import { afterAll, expect, test } from 'vitest'
import { createRestartingThread } from './restarting-thread.ts'

interface Calls {
  readonly open: (call: undefined) => void
  readonly read: (call: undefined) => void
  readonly close: (call: undefined) => void
}

const folder = mkdtempSync(join(tmpdir(), 'modelward-thread-'))
afterAll(() => rmSync(folder, { recursive: true }))

const programs: readonly { readonly how: string; readonly url: (base: string) => URL }[] = [
  { how: 'was left behind', url: (base) => new URL('./x-thread.js', base) },
  {
    how: 'was copied without what it imports',
    url: (base) => write('alone-thread.mjs', "import './left-behind.mjs'", base),
  },
  {
    how: 'was copied to where modules are CommonJS',
    url: (base) => write('common-thread.cjs', "import './left-behind.mjs'", base),
  },
  // esbuild's CommonJS has no `import.meta.url`.
  { how: 'has no URL', url: () => new URL('./x-thread.js', undefined) },
]

function write(name: string, text: string, base: string): URL {
  const url = new URL(name, base)
  writeFileSync(url, text)
  return url
}

function createThread(startWorker: (options: WorkerOptions) => Worker) {
  return createRestartingThread<Calls>({
    startWorker,
    data: {},
    store: 'ledger',
    role: 'writer',
    faultCode: 'ledger_unavailable',
  })
}

test.each(programs)(
  'a thread whose program $how says at opening what to tell the bundler',
  async ({ url }) => {
    const base = pathToFileURL(join(folder, '/')).href
    const thread = createThread((options) => new Worker(url(base), options))
    const obstacle = await thread.open(undefined).catch((error: unknown) => error)
    expect(obstacle).toMatchObject({
      name: 'SetupError',
      code: 'thread_missing',
      message: expect.stringMatching(
        /^ledger: the writer thread cannot load its program \(.+\); .*modelward.*`serverExternalPackages`.*`ssr\.external`.*`external`/,
      ),
    })
    expect((obstacle as Error).message).not.toContain('\n')
    // Of a caller that is not opening anything it is the store's outage.
    await expect(thread.ask('read', undefined)).rejects.toMatchObject({ code: 'ledger_unavailable' })
  },
)

test('a thread that ends by itself before it has answered is an outage, and no lost program', async () => {
  const program = 'process.exit(3)'
  const thread = createThread((options) => new Worker(program, { ...options, eval: true }))
  await expect(thread.open(undefined)).rejects.toMatchObject({ name: 'Fault', code: 'ledger_unavailable' })
})
