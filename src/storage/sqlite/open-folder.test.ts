import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { createTemporaryFolder } from '../../../test/contract/temporary-folder.ts'
import { collectEvents } from '../../../test/support/collect-events.ts'
import { SetupError } from '../../core/setup-error.ts'
import type { StorageOptions } from '../storage.ts'
import { inspectFolder } from './inspect-folder.ts'
import { openFolder } from './open-folder.ts'

const create: StorageOptions = { create: true, jobs: true, storeUsage: 'always' }

test('a folder opens whole, and closes whole', async () => {
  const data = join(createTemporaryFolder(), 'data')
  const storage = await openFolder(data, create)
  expect(await storage.keys.readChanges(undefined)).toMatchObject({ hasKeys: false })
  expect(await storage.jobs?.countJobs()).toEqual({ queued: 0, running: 0 })
  await storage.ledger?.checkpoint()
  await storage.close()
  await storage.close()
  await expect(storage.keys.findKey('7Qm2xT0bKc9Z')).rejects.toMatchObject({ code: 'store_unavailable' })
  await expect(storage.jobs?.countJobs()).rejects.toMatchObject({ code: 'store_unavailable' })
  await expect(storage.ledger?.checkpoint()).rejects.toMatchObject({ code: 'ledger_unavailable' })
  await expect(storage.limiter.take([])).rejects.toMatchObject({ code: 'limiter_unavailable' })
})

test('a folder that does not open leaves nothing open', async () => {
  const data = join(createTemporaryFolder(), 'data')
  await (await openFolder(data, create)).close()
  writeFileSync(join(data, 'jobs.db'), 'this is no database, whatever its name')
  await expect(openFolder(data, create)).rejects.toMatchObject({ code: 'data_corrupt' })
  rmSync(join(data, 'jobs.db'))
  // Usage is stored by one process, and by one opening in a process.
  await (await openFolder(data, create)).close()
})

test('a folder without its pepper, or with another, opens nothing', async () => {
  const data = join(createTemporaryFolder(), 'data')
  await (await openFolder(data, create)).close()
  const pepper = `1:${'A'.repeat(43)}`
  await expect(openFolder(data, { ...create, pepper })).rejects.toMatchObject({ code: 'pepper_mismatch' })
  writeFileSync(join(data, 'modelward.db'), '')
  await expect(openFolder(data, create)).rejects.toMatchObject({ code: 'data_corrupt' })
})

test.each(['ledger.db', 'ledger-usage.db', 'jobs.db', 'limits.db'])(
  'a folder opens whose first process was killed as it created %s',
  async (name) => {
    const data = join(createTemporaryFolder(), 'data')
    await (await openFolder(data, { create: true, ledger: 'none' })).close()
    writeFileSync(join(data, name), '')
    await (await openFolder(data, create)).close()
    rmSync(join(data, name))
    const begun = new DatabaseSync(join(data, name))
    begun.exec('PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL')
    begun.close()
    await (await openFolder(data, create)).close()
  },
)

test('a ledger that was emptied by damage is no new one', async () => {
  const data = join(createTemporaryFolder(), 'data')
  await (await openFolder(data, create)).close()
  const ledger = new DatabaseSync(join(data, 'ledger.db'))
  ledger.exec('PRAGMA foreign_keys = OFF')
  const tables = ledger.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
  for (const { name } of tables) if (!String(name).startsWith('sqlite_')) ledger.exec(`DROP TABLE ${name}`)
  ledger.close()
  await expect(openFolder(data, create)).rejects.toBeInstanceOf(SetupError)
})

test('one server at a time; a second process counts in memory, or is refused', async () => {
  const data = join(createTemporaryFolder(), 'data')
  const { telemetry, names } = collectEvents()
  const storage = await openFolder(data, create)
  const serving = await storage.startServing()
  serving.announce('http://127.0.0.1:8000')
  const other = await openFolder(data, {
    create: false,
    storeUsage: 'if_free',
    ledger: 'none',
    telemetry,
  })
  expect(other).toMatchObject({ ledger: undefined, jobs: undefined })
  expect(names).toEqual(['limiter.not_shared'])
  const inUse = {
    code: 'data_in_use',
    message: `${data}: in use by this process, http://127.0.0.1:8000; end that first, or name another data folder`,
  }
  await expect(other.startServing()).rejects.toMatchObject(inUse)
  await expect(openFolder(data, create)).rejects.toMatchObject(inUse)
  await serving.end()
  await (await other.startServing()).end()
  await expect(openFolder(data, create)).rejects.toMatchObject({ code: 'data_in_use' })
  await Promise.all([storage.close(), other.close()])
  expect(existsSync(join(data, 'holder.json'))).toBe(false)
})

test('a text that is handed over is for its owner alone', async () => {
  const storage = await openFolder(join(createTemporaryFolder(), 'data'), create)
  const path = storage.secrets.handOver?.('first-keys.json', '{}')
  expect(statSync(path ?? '').mode & 0o777).toBe(0o600)
  await storage.close()
})

test('an inspection reads what there is, and creates nothing', async () => {
  const data = join(createTemporaryFolder(), 'data')
  const { findings, openKeys, ledger } = inspectFolder(data)
  expect(await openKeys({ pepper: undefined })).toBeUndefined()
  await expect(ledger.exists()).rejects.toMatchObject({ code: 'data_missing' })
  await expect(ledger.verify({})).rejects.toMatchObject({ code: 'data_missing' })
  expect((await findings({ pepper: undefined })).map(({ check, status }) => `${check} ${status}`)).toEqual([
    'data folder fail',
    'clock ok',
    'disk ok',
  ])
  const storage = await openFolder(data, { ...create, ledger: { isLazy: true } })
  expect(await ledger.exists()).toBe(false)
  expect(await ledger.publicKeys()).toEqual([])
  const reader = await ledger.openReader()
  expect(await reader.query({ limit: 1, order: 'newest' })).toEqual({ records: [], next: undefined })
  const { key } = (await storage.ledger?.checkpoint()) ?? {}
  expect((await reader.query({ limit: 1, order: 'newest' })).records).toHaveLength(1)
  await reader.close()
  expect(await ledger.publicKeys()).toEqual([key])
  expect(await ledger.readHeads()).toMatchObject([{ event: 'ledger.closed' }])
  await storage.close()
  const { firstBroken, keys } = await ledger.verify({ trustedKeys: [key ?? ''] })
  expect({ firstBroken, keys }).toEqual({ firstBroken: undefined, keys: [key] })
  const found = await findings({ pepper: undefined })
  expect(found.filter(({ status }) => status !== 'ok')).toEqual([])
  expect(found.map(({ check }) => check)).toEqual([
    'data folder',
    'database',
    'pepper',
    'clock',
    'ledger',
    'usage',
    'limits',
    'jobs',
    'disk',
  ])
})
