import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runCli, runError, runJson, startServe, temporaryFolder } from './run-cli.ts'

interface Listed {
  readonly keys: readonly { readonly id: string; readonly last_used_at: string | null }[]
}

test('a key that a killed server has admitted says so soon after the next start', async () => {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const list = (...args: string[]) => runJson<Listed>(['keys', 'list', '--data', data, ...args])
  const lastUses = async () => (await list('--sort', 'last_used_at')).keys.map((key) => key.last_used_at)
  await using first = await startServe(data)
  const { demo } = JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as { demo: string }
  const before = Date.now()
  const headers = { 'x-api-key': demo, 'content-type': 'application/json' }
  const answer = await fetch(`${first.address}/predict`, { method: 'POST', headers, body: '{"text":"good"}' })
  expect(answer.status).toBe(200)
  const after = Date.now()
  first.child.kill('SIGKILL')
  await once(first.child, 'close')
  expect(await lastUses(), 'the first minute is not over').toEqual([null, null])

  await using second = await startServe(data)
  await expect.poll(lastUses).toEqual([expect.any(String), null])
  const [last] = await lastUses()
  const minuteOf = (ms: number): string => new Date(ms - (ms % 60_000)).toISOString()
  expect([minuteOf(before), minuteOf(after)]).toContain(last)
  second.child.kill('SIGTERM')
  await once(second.child, 'close')

  const { stdout } = await runCli(['keys', 'show', demo.split('_')[2] ?? '', '--data', data])
  expect(stdout).toContain(last)
  expect((await list('--unused', '90d')).keys).toEqual([])
  const { error } = await runError(['keys', 'list', '--data', data, '--unused', 'long'])
  expect(error).toMatchObject({ code: 'usage_invalid', message: expect.stringContaining('--unused') })
})
