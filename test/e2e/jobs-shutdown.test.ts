import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runJson, startServe, temporaryFolder } from './run-cli.ts'

/** Answers when the test says so, by a file. */
const waitingModel = `import { existsSync, watch } from 'node:fs'
const go = new URL('./go', import.meta.url)
export default {
  name: 'waiting', version: 'waiting-1', runs: 'inline',
  predict: (inputs) => new Promise((resolve) => {
    const watcher = watch(new URL('.', import.meta.url), look)
    function look() {
      if (!existsSync(go)) return
      watcher.close()
      resolve(inputs.map(() => ({ done: true })))
    }
    look()
  }),
}
`

let folder: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => folder[Symbol.dispose]())

test('closes in order while a job’s end cannot be written: what is left to wait for keeps the process alive', async () => {
  const data = join(folder.path, 'data')
  const model = join(folder.path, 'waiting.mjs')
  writeFileSync(model, waitingModel)
  await using server = await startServe(data, ['--model', model, '--shutdown-grace', '1s'])
  const { key } = await runJson<{ readonly key: string }>(['keys', 'create', '--name', 'a', '--data', data])
  const headers = { 'x-api-key': key, 'content-type': 'application/json', connection: 'close' }
  const body = JSON.stringify({ text: 'a' })
  const request = { method: 'POST', headers: { ...headers, prefer: 'respond-async' }, body }
  expect((await fetch(`${server.address}/predict`, request)).status).toBe(202)
  for (const end of ['', '-wal', '-shm']) rmSync(join(data, `jobs.db${end}`), { force: true })
  writeFileSync(join(folder.path, 'go'), '')
  const { stderr } = server.child
  if (stderr === null) throw new Error('expected a log')
  while (!server.log().includes('job.not_ended')) await once(stderr, 'data')
  server.child.kill('SIGTERM')
  const [code] = await once(server.child, 'exit')
  expect({ code, log: server.log() }).toMatchObject({
    code: 0,
    log: expect.not.stringContaining('unsettled'),
  })
})
