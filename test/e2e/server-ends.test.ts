import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { cleanEnvironment, cliFile, runJson, spawnCli, startServe, temporaryFolder } from './run-cli.ts'

const straying = `
  export default {
    name: 'straying', version: '1', runs: 'inline',
    predict([text]) {
      if (text === 'exit') process.exit(0)
      void Promise.reject(new Error('a secret of the input'))
      return ['answered']
    },
  }`

test.each([
  ['a stray rejection of an inline model', 'reject', 200, false],
  ['a call of process.exit(0) by an inline model', 'exit', 502, false],
  ['a stray rejection while the server drains', 'reject', 200, true],
])('%s closes the server with one fatal line and exit code 1', async (_what, text, status, drains) => {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const model = join(folder.path, 'straying.mjs')
  writeFileSync(model, straying)
  await using server = await startServe(data, ['--model', model, '--shutdown-delay', drains ? '3s' : '0s'])
  const { key } = await runJson<{ readonly key: string }>(['keys', 'create', '--name', 'a', '--data', data])
  const closed = once(server.child, 'close')
  if (drains) {
    server.child.kill('SIGTERM')
    while ((await fetch(`${server.address}/ready`)).status !== 503);
  }
  const headers = { 'x-api-key': key, 'content-type': 'application/json' }
  const answer = await fetch(`${server.address}/predict`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ text }),
  })
  expect(answer.status).toBe(status)
  expect(await closed).toEqual([1, null])
  const lines = server
    .log()
    .split('\n')
    .filter((line) => line.includes('server.failed'))
  expect(lines.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(['fatal'])
  expect(server.log()).not.toContain('a secret of the input')
})

test('a signal while models load ends the server', async () => {
  using folder = temporaryFolder()
  const model = join(folder.path, 'loading.mjs')
  writeFileSync(model, "console.error('loading'); await new Promise(() => setInterval(() => {}, 1000))")
  const child = spawnCli(['serve', '--port', '0', '--data', join(folder.path, 'data'), '--model', model])
  const closed = once(child, 'close')
  if (child.stderr === null) throw new Error('expected a log')
  await once(child.stderr, 'data')
  child.kill('SIGTERM')
  expect(await closed).toEqual([143, null])
})

test('a server that cannot start ends, whatever its inline model has left running', async () => {
  using folder = temporaryFolder()
  const model = join(folder.path, 'busy.mjs')
  writeFileSync(model, `setInterval(() => {}, 1000)\n${straying}`)
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const args = ['serve', '--port', String(port), '--data', join(folder.path, 'data'), '--model', model]
  expect(await once(spawnCli(args), 'close')).toEqual([3, null])
  other.close()
})

test('a server that is told to end ends, whatever its inline model has left running', async () => {
  using folder = temporaryFolder()
  const model = join(folder.path, 'busy.mjs')
  writeFileSync(model, `setInterval(() => {}, 1000)\n${straying}`)
  await using server = await startServe(join(folder.path, 'data'), ['--model', model])
  const closed = once(server.child, 'close')
  server.child.kill('SIGTERM')
  expect(await closed).toEqual([0, null])
})

// To this process, a thread within a thread is native code: it may load any.
const stuck = `
  import { Worker } from 'node:worker_threads'
  export default {
    name: 'stuck', version: '1', runs: 'threaded', threads: 1,
    warmUp: () => void new Worker('', { eval: true }),
    predict() { for (;;); },
  }`

test('a signal ends a server with native code that never returns', async () => {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const model = join(folder.path, 'stuck.mjs')
  writeFileSync(model, stuck)
  await using server = await startServe(data, ['--model', model, '--model-deadline', '200ms'])
  const { key } = await runJson<{ readonly key: string }>(['keys', 'create', '--name', 'a', '--data', data])
  const closed = once(server.child, 'close')
  const headers = { 'x-api-key': key, 'content-type': 'application/json' }
  const body = JSON.stringify({ text: 'a' })
  expect((await fetch(`${server.address}/predict`, { method: 'POST', headers, body })).status).toBe(504)
  server.child.kill('SIGTERM')
  expect(await closed).toEqual([null, 'SIGKILL'])
  expect(server.log()).toContain('model.call_stuck')
})

test.skipIf(!existsSync('/proc/self')).each(['SIGTERM', 'SIGKILL'] as const)(
  '%s to the npm that started it closes the server',
  async (signal) => {
    using folder = temporaryFolder()
    const start = `'${process.execPath}' '${cliFile}' serve --port 0 --data '${join(folder.path, 'data')}'`
    writeFileSync(join(folder.path, 'package.json'), JSON.stringify({ scripts: { start } }))
    const npm = spawn('npm', ['start', '--silent'], {
      cwd: folder.path,
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    // The server holds it, too: it closes when both have ended.
    const closed = once(npm, 'close')
    for await (const line of createInterface(npm.stdout)) if (line.includes('http://')) break
    npm.stderr.resume()
    npm.kill(signal)
    await closed
  },
)
