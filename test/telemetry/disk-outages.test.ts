import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { processScheduler, type Scheduler } from '../../src/core/scheduler.ts'
import { startServer } from '../../src/server/start-server.ts'
import { openDatabase } from '../../src/storage/sqlite/driver.ts'
import { openFolder } from '../../src/storage/sqlite/open-folder.ts'
import { requestOf } from '../contract/ledger.contract.ts'
import { fillDisk, mountSmallDisk } from '../contract/small-disk.ts'
import { createTemporaryFolder } from '../contract/temporary-folder.ts'
import { ask } from '../e2e/ask-node.ts'
import { serverDefaults } from '../parity/start-server-target.ts'
import { collectEvents, collectLogged } from '../support/collect-events.ts'

const atOnce = 200

test('a full disk of the data folder is two events, however many requests, files and jobs meet it', {
  timeout: 120_000,
}, async (context) => {
  const folder = createTemporaryFolder()
  if (!mountSmallDisk(folder, 16)) return context.skip('mounting a small disk takes root')
  let key = ''
  const { logStream, names, until } = collectLogged()
  const server = await startServer({
    ...serverDefaults,
    data: join(folder, 'data'),
    limitDefault: ['100000/day'],
    // Without a file that holds room back, which would be given up first.
    diskReserve: 0,
    logLevel: 'info',
    logRequests: false,
    logStream,
    firstKeys: 'report',
    onFirstKeys: (report) => {
      if ('keys' in report) key = report.keys.demo
    },
  })
  onTestFinished(() => server.close())
  const askAtOnce = async (): Promise<ReadonlySet<number>> => {
    const answers = await Promise.all(Array.from({ length: atOnce }, () => ask(server, key)))
    return new Set(answers.map(({ status }) => status))
  }
  expect((await ask(server, key)).status).toBe(200)
  const before = names.length
  const filler = join(folder, 'filler')
  fillDisk(filler)
  await askAtOnce()
  expect(await askAtOnce()).toEqual(new Set([503]))
  await until('store.unreachable')
  rmSync(filler)
  await expect.poll(async () => (await ask(server, key)).status).toBe(200)
  await until('store.back')
  const told = names.slice(before).filter((name) => name !== 'ledger.checkpoint')
  expect(told).toEqual(['store.unreachable', 'store.back'])
})

test('a disk that stops answering is two events, however many records wait for it', async () => {
  const data = join(createTemporaryFolder(), 'data')
  let isSlow = false
  // All of the time passes before the disk can answer.
  const scheduler: Scheduler = {
    ...processScheduler,
    after: (ms, run) => processScheduler.after(isSlow && ms === 5_000 ? 0 : ms, run),
  }
  const { telemetry, events, names, until } = collectEvents()
  const storage = await openFolder(data, { create: true, storeUsage: 'always', scheduler, telemetry })
  onTestFinished(() => storage.close())
  const { ledger } = storage
  if (ledger === undefined) throw new Error('opened without a ledger')
  const before = names.length
  const refused = { code: 'ledger_unavailable', message: 'ledger: the disk has not answered for 5 s' }
  const appendAtOnce = () =>
    Promise.allSettled(Array.from({ length: atOnce }, () => ledger.append(requestOf())))
  // The writer waits for this lock as for a disk.
  const disk = openDatabase({ file: join(data, 'ledger.db'), busyTimeoutMs: 0, cacheKiB: 100 })
  disk.exec('BEGIN IMMEDIATE')
  isSlow = true
  for (let again = 0; again < 3; again += 1)
    for (const settled of await appendAtOnce())
      expect(settled).toMatchObject({ status: 'rejected', reason: refused })
  expect(storage.isStalled()).toBe(true)
  isSlow = false
  disk.exec('ROLLBACK')
  disk.close()
  await expect.poll(() => storage.isStalled()).toBe(false)
  for (const settled of await appendAtOnce()) expect(settled.status).toBe('fulfilled')
  await until('store.back')
  expect(names.slice(before)).toEqual(['store.unreachable', 'store.back'])
  expect(events.at(-2)).toMatchObject({ fields: { store: 'data folder' }, cause: refused })
})
