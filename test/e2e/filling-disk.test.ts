import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { FirstKeysReport } from '../../src/server/first-keys.ts'
import { startServer } from '../../src/server/start-server.ts'
import { openFolder } from '../../src/storage/sqlite/open-folder.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { claim, failed, jobBegin, jobId, jobOf, keepMs, wide } from '../contract/job-fixtures.ts'
import { fillDisk, mountSmallDisk } from '../contract/small-disk.ts'
import { createTemporaryFolder } from '../contract/temporary-folder.ts'
import { collectEvents, collectLogged } from '../support/collect-events.ts'
import { appOptions, constantModel } from '../support/test-app.ts'

const MiB = 2 ** 20
const needsRoot = 'mounting a small disk takes root'

/** Starts a server without limits and without workers on a disk of 96 MiB. */
async function start(data: string) {
  let keys: { readonly admin: string; readonly demo: string } | undefined
  const { logStream, until } = collectLogged()
  const server = await startServer({
    ...appOptions,
    logLevel: 'info',
    logStream,
    data,
    port: 0,
    limitDefault: [],
    jobWorkers: 0,
    textMax: 10_000,
    diskReserve: 32 * MiB,
    servedModels: [constantModel],
    firstKeys: 'report',
    onFirstKeys(report: FirstKeysReport) {
      if ('keys' in report) keys = report.keys
    },
  })
  onTestFinished(() => server.close())
  if (keys === undefined) throw new Error('no first keys')
  const { admin } = keys
  async function ask(path: string, key: string, body?: unknown): Promise<Response> {
    return fetch(`${server.address}${path}`, {
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    })
  }
  async function createKey(owner: string): Promise<{ readonly id: string; readonly text: string }> {
    const created = await ask('/v1/keys', admin, { name: owner, owner, scopes: ['predict'] })
    const { id, key } = (await created.json()) as { readonly id: string; readonly key: string }
    return { id, text: key }
  }
  return { ask, createKey, admin, until }
}

/** As large as a batch may be. */
const batch = { texts: Array.from({ length: 930 }, () => 'a'.repeat(9_000)) }

test('batches that fill a disk are refused in time: predictions and a revocation go on, on a full disk too', {
  timeout: 120_000,
}, async (context) => {
  const folder = createTemporaryFolder()
  if (!mountSmallDisk(folder, 96)) return context.skip(needsRoot)
  const { ask, createKey, admin, until } = await start(join(folder, 'data'))
  const abuser = await createKey('abuser')
  const other = await createKey('other')
  const accepted: string[] = []
  for (let sent = 0; sent < 12; sent += 1) {
    const answer = await ask('/predict/batch', abuser.text, batch)
    await answer.text()
    if (answer.status === 202) accepted.push(answer.headers.get('location') ?? '')
    else expect(answer.status).toBe(503)
  }
  expect(accepted.length).toBeGreaterThan(0)
  expect(accepted.length).toBeLessThan(6)
  expect((await ask('/predict', other.text, { text: 'a' })).status).toBe(200)

  // Whatever else fills the disk, up to its last byte.
  const filler = join(folder, 'filler')
  fillDisk(filler)
  await until('disk.full')
  const ballast = join(folder, 'data', 'ballast')
  expect(existsSync(ballast)).toBe(false)
  expect(await (await ask('/ready', '')).json()).toEqual({ status: 'ok', degraded: ['jobs'] })
  expect((await ask(`/v1/keys/${abuser.id}/revoke`, admin, {})).status).toBe(200)
  expect((await ask('/predict', abuser.text, { text: 'a' })).status).toBe(403)
  expect((await ask('/predict', other.text, { text: 'a' })).status).toBe(200)

  // Until an operator makes room.
  rmSync(filler)
  await until('disk.back')
  expect(await (await ask('/ready', '')).json()).toEqual({ status: 'ok' })
  expect(existsSync(ballast)).toBe(true)
})

/** Opens a storage with jobs, which have all of the disk but the reserve. */
async function openStorage(data: string, clock: () => number) {
  const { telemetry, names, until } = collectEvents()
  const storage: Storage = await openFolder(data, {
    create: true,
    jobs: true,
    ledger: 'none',
    diskReserveBytes: 16 * MiB,
    clock,
    telemetry,
  })
  onTestFinished(() => storage.close())
  const { jobs } = storage
  if (jobs === undefined) throw new Error('opened without jobs')
  jobs.watch(() => undefined)
  return { storage, jobs, names, until }
}

test('expiry heals a disk that is full to its last byte, and jobs are accepted again', {
  timeout: 120_000,
}, async (context) => {
  const folder = createTemporaryFolder()
  if (!mountSmallDisk(folder, 96)) return context.skip(needsRoot)
  let now = jobBegin
  const { storage, jobs, names, until } = await openStorage(join(folder, 'data'), () => now)
  const inputs = JSON.stringify(batch.texts)
  let accepted = 0
  while ((await jobs.submit({ jobs: [jobOf(accepted, { inputs })], bounds: wide })).outcome === 'accepted')
    accepted += 1
  expect(accepted).toBeGreaterThan(0)
  const ends = (await claim(jobs)).map(({ id, lease }) => ({ id, lease, ...failed }))
  await jobs.settle(ends as never, jobBegin, wide)
  expect(await jobs.findJob({ id: jobId(0) }, jobBegin)).toMatchObject({ status: 'failed' })

  now = jobBegin + keepMs
  fillDisk(join(folder, 'filler'))
  await until('disk.back')
  expect(names).toEqual(['disk.low', 'disk.full', 'disk.back'])
  expect(storage.degraded()).toEqual([])
  expect(await jobs.submit({ jobs: [jobOf(999)], bounds: wide })).toEqual({ outcome: 'accepted' })
})
