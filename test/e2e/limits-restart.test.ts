import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openModelward } from '../../src/index.ts'
import { startProcess } from '../contract/child-process.ts'
import { runError, runJson, type ServeProcess, startServe, temporaryFolder } from './run-cli.ts'

async function predict({ address }: ServeProcess, key: string): Promise<Response> {
  const answer = await fetch(`${address}/predict`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: '{"text":"I love this great product"}',
  })
  await answer.arrayBuffer()
  return answer
}

test('a server that is stopped, or killed with -9, in the middle of the hour does not give the hour back', async () => {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const { key } = await runJson<{ key: string }>([
    'keys',
    'create',
    '--data',
    data,
    '--name',
    'a',
    '--limit',
    '8/h',
  ])
  const start = () => startServe(data, ['--log-level', 'error'])
  for (const signal of ['SIGTERM', 'SIGKILL', 'SIGKILL'] as const) {
    await using server = await start()
    for (let request = 0; request < 2; request += 1) expect((await predict(server, key)).status).toBe(200)
    const closed = once(server.child, 'close')
    server.child.kill(signal)
    await closed
  }
  await using server = await start()
  let answer = await predict(server, key)
  let admitted = 6
  for (; answer.status === 200; answer = await predict(server, key)) admitted += 1
  // Two requests within a second may cost one more at each kill.
  expect(admitted).toBeGreaterThanOrEqual(6)
  expect(admitted).toBeLessThanOrEqual(8)
  expect(answer.status).toBe(429)
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(3_000)
  expect(statSync(join(data, 'limits.db')).mode & 0o777).toBe(0o600)
  const { error } = await runError(['serve', '--data', data, '--port', '0'])
  expect(error.code).toBe('data_in_use')
  expect(error.message).toContain(`in use by process ${server.child.pid}, ${server.address};`)
})

test('of several processes with one folder the first keeps limits; another counts by itself and says so once', async () => {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const heard: string[] = []
  const first = await openModelward({ data, onEvent: ({ name }) => void heard.push(name) })
  expect(await startProcess('open-ward', data).ended).toEqual(['limiter.not_shared', 'closed'])
  expect(existsSync(join(data, 'limits.db'))).toBe(true)
  const { record } = await first.keys.create({ name: 'n' })
  for (const command of [
    ['serve', '--port', '0'],
    ['limits', 'reset', record.id],
  ]) {
    const { error } = await runError([...command, '--data', data])
    expect(error.code).toBe('data_in_use')
    expect(error.message).toContain(`in use by process ${process.pid};`)
  }
  await first.close()
  expect(await startProcess('open-ward', data).ended).toEqual(['closed'])
  expect(heard.filter((name) => name.startsWith('limiter.'))).toEqual([])
})
