import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readMetrics } from '../support/read-metrics.ts'
import { childrenOf } from '../support/services.ts'
import { openTestFleet, predict, type TestFleet } from './open-fleet.ts'
import type { ServeProcess } from './run-cli.ts'

let fleet: TestFleet
let server: ServeProcess
let key: string

beforeEach(async () => {
  fleet = await openTestFleet()
})
async function startWorkers(count: number): Promise<void> {
  server = await fleet.start('--workers', String(count), '--limit-default', '100/min')
  key = (await fleet.createKey()).key
}
afterEach(async () => {
  const { pid = 0 } = server.child
  const workers = childrenOf(pid)
  await server[Symbol.asyncDispose]()
  await expect.poll(() => workers.filter(isRunning), { timeout: 30_000 }).toEqual([])
  await fleet[Symbol.asyncDispose]()
})

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const workerPids = (): readonly number[] => childrenOf(server.child.pid ?? 0)

const liveNodes = async (): Promise<number> => {
  const { nodes } = await fleet.run<{ nodes: readonly { live: boolean }[] }>('nodes', 'list')
  return nodes.filter(({ live }) => live).length
}

test('several processes serve one port as nodes of the fleet, count limits together, and close at a signal', async () => {
  await startWorkers(4)
  expect(server.output().match(/"listening"/g), 'one says where it listens').toHaveLength(1)
  expect(workerPids()).toHaveLength(4)
  expect(await liveNodes()).toBe(4)
  const answers: Response[] = []
  // A thousand at once is more than Redis can count in time where four cold workers share it.
  while (answers.length < 1_000)
    answers.push(...(await Promise.all(Array.from({ length: 50 }, () => predict(server, key)))))
  const others = answers.filter(({ status }) => status !== 200 && status !== 429)
  expect(await Promise.all(others.map((answer) => answer.text()))).toEqual([])
  const admitted = answers.filter(({ status }) => status === 200)
  expect(admitted).toHaveLength(100)
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(900)
  server.child.kill('SIGTERM')
  const [code] = await once(server.child, 'exit')
  expect(code).toBe(0)
  expect(await liveNodes()).toBe(0)
  expect(await fleet.run('ledger', 'verify')).toMatchObject({ ok: true })
})

test('a worker that is killed is replaced, and the others serve on', async () => {
  await startWorkers(4)
  const before = workerPids()
  process.kill(before[0] ?? 0, 'SIGKILL')
  for (let asked = 0; asked < 10; asked += 1) {
    const answer = await predict(server, key).catch(() => undefined)
    if (answer !== undefined) expect(answer.status).toBe(200)
  }
  await expect
    .poll(() => workerPids().filter((pid) => !before.includes(pid)), { timeout: 20_000 })
    .toHaveLength(1)
  expect(server.log()).toContain('server.worker_lost')
  await expect.poll(async () => (await predict(server, key)).status, { timeout: 20_000 }).toBe(200)
})

test('workers close when the first process is gone', async () => {
  await startWorkers(2)
  const workers = workerPids()
  server.child.kill('SIGKILL')
  await expect.poll(() => workers.filter(isRunning), { timeout: 30_000 }).toEqual([])
})

test('each worker answers `/metrics` for all of them, also for one that has ended', async () => {
  await startWorkers(3)
  const reader = (await fleet.createKey('--scope', 'metrics:read')).key
  const answered = async (): Promise<number> => {
    const answer = await fetch(`${server.address}/metrics`, {
      headers: { authorization: `Bearer ${reader}`, connection: 'close' },
    })
    if (answer.status !== 200) return answer.status
    const counts = readMetrics(await answer.text()).filter(
      ({ name, labels }) => name === 'modelward_requests_total' && labels['route'] === '/predict',
    )
    return counts.reduce((sum, { value }) => sum + value, 0)
  }
  for (let asked = 0; asked < 60; asked += 1) expect((await predict(server, key)).status).toBe(200)
  for (let asked = 0; asked < 6; asked += 1) await expect.poll(answered, { timeout: 20_000 }).toBe(60)
  const [first = 0] = workerPids()
  process.kill(first, 'SIGKILL')
  await expect.poll(() => workerPids().includes(first), { timeout: 20_000 }).toBe(false)
  await expect.poll(answered, { timeout: 20_000 }).toBe(60)
}, 180_000)
