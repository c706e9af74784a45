import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
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
  ['a stray rejection of an inline model', 'reject', 200],
  ['a call of process.exit(0) by an inline model', 'exit', 502],
])('%s closes the server with one fatal line and exit code 1', async (_what, text, status) => {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const model = join(folder.path, 'straying.mjs')
  writeFileSync(model, straying)
  await using server = await startServe(data, ['--model', model])
  const { key } = await runJson<{ readonly key: string }>(['keys', 'create', '--name', 'a', '--data', data])
  const closed = once(server.child, 'close')
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

test.skipIf(!existsSync('/proc/self'))('SIGTERM to the npm that started it closes the server', async () => {
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
  npm.kill('SIGTERM')
  await closed
})
