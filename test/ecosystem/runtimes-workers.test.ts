import { describe, expect, test } from 'vitest'
import { write } from './programs.ts'
import { cleanAround, launch, listingOf } from './runtimes.ts'
import { proves } from './support.ts'

const runner = `
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'

const outfile = 'bundle/worker.js'
await build({
  entryPoints: ['worker.ts'], bundle: true, outfile, format: 'esm', platform: 'neutral', logLevel: 'error',
  mainFields: ['module', 'main'], conditions: ['workerd', 'worker'], external: ['node:*'],
  alias: { worker_threads: 'node:worker_threads' },
})
const worker = new Miniflare({
  modules: [{ type: 'ESModule', path: outfile }],
  compatibilityDate: '2026-07-01',
  compatibilityFlags: ['nodejs_compat'],
})
try {
  console.log('answered ' + (await (await worker.dispatchFetch('https://models.example/')).text()))
} finally {
  await worker.dispose()
}
`

/** What a Worker answers, bundled by esbuild as its own tools do, which know what is built in. */
async function runWorker(worker: string): Promise<unknown> {
  await write({ 'worker.ts': worker, 'worker-runner.mjs': runner })
  await using running = launch('node worker-runner.mjs')
  await running.said(/^answered .*$/m)
  const [, answer = ''] = /^answered (.*)$/m.exec(running.log()) ?? []
  return JSON.parse(answer)
}

cleanAround('worker-runner.mjs')

describe(proves('Cloudflare Workers, in memory'), () => {
  test('the guard of a web-standard handler answers 401, 403 and 200', async () => {
    expect(await runWorker(listingOf('worker.ts'))).toEqual([401, 403, 200])
  })

  test('an app on Hono does, and its limits hold', async () => {
    const worker = `
      import { Hono } from 'hono'
      import { createTestWard } from 'modelward'
      import { guardApp } from 'modelward/hono'

      export default {
        async fetch() {
          const ward = await createTestWard({ keys: { alice: { owner: 'acme', limits: ['2/min'] } } })
          const app = guardApp(new Hono(), { ward }).get('/', (c) => c.json({ code: c.var.caller.owner }))
          const answers = []
          for (const key of [undefined, 'wrong', ...Array(3).fill(ward.testKeys.alice)]) {
            const answer = await app.request('/', { headers: key === undefined ? {} : { 'X-API-Key': key } })
            answers.push([answer.status, (await answer.json()).code])
          }
          return Response.json(answers)
        },
      }`
    expect(await runWorker(worker)).toEqual([
      [401, 'key_missing'],
      [403, 'key_invalid'],
      [200, 'acme'],
      [200, 'acme'],
      [429, 'rate_limited'],
    ])
  })
})

describe(proves('Cloudflare Workers with a data folder'), () => {
  const sentence =
    /^Cloudflare Workers has no SQLite, no threads and no disk: openModelward needs Node\.js, Bun or Deno; here createTestWard works/

  test('openModelward says in one sentence what to do', async () => {
    const worker = `
      import { openModelward } from 'modelward'

      export default {
        async fetch() {
          const said = await openModelward({ data: './modelward-data' }).catch(({ code, message }) => [code, message])
          return Response.json(said)
        },
      }`
    expect(await runWorker(worker)).toEqual(['runtime_unsuitable', expect.stringMatching(sentence)])
  })

  test('a guard that opens it answers 503, and tells the sentence to the app alone', async () => {
    const worker = `
      import { openModelward } from 'modelward'
      import { guard } from 'modelward/web'

      export default {
        async fetch(request) {
          const told = []
          const onFault = (fault) => told.push(String(fault.cause?.message ?? fault.message))
          const open = () => openModelward({ data: './modelward-data' })
          const answer = await guard(open, {}, () => new Response('in'), { onFault })(request)
          return Response.json([answer.status, (await answer.text()).includes('SQLite'), told])
        },
      }`
    expect(await runWorker(worker)).toEqual([503, false, [expect.stringMatching(sentence)]])
  })
})
