import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { KeyStore } from '../../src/keys/store/key-store.ts'
import { createRowMacs } from '../../src/secrets/row-macs.ts'
import { createBelievedRows } from '../../src/storage/keys/believed-rows.ts'
import type { SqliteDatabase } from '../../src/storage/sqlite/database.ts'
import { openDatabase } from '../../src/storage/sqlite/driver.ts'
import { openSqliteKeyStore } from '../../src/storage/sqlite/keys/key-file.ts'
import { migrateDatabase, prepareKeys } from '../../src/storage/sqlite/keys/key-schema.ts'
import { createSqliteKeyStore } from '../../src/storage/sqlite/keys/key-store.ts'
import { noTelemetry } from '../../src/telemetry/telemetry.ts'
import { digestOf, idOf, keyOf, ownerOf, peppers } from './key-fixtures.ts'
import { fillDisk, mountSmallDisk } from './small-disk.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

const storeFault = { name: 'Fault', code: 'store_unavailable' }

describe('an SQLite store in trouble', () => {
  test('a lock held too long is a fault; reads go on, nothing was written, and writes work once it is free', async () => {
    const { file, store } = openStore({ lockTimeoutMs: 30 })
    await store.addKeys([keyOf(idOf(1))])
    const other = openOther(file)
    other.exec('BEGIN IMMEDIATE')
    await expect(store.addKeys([keyOf(idOf(2))])).rejects.toMatchObject(storeFault)
    await expect(store.addSetting('a', 'b')).rejects.toMatchObject(storeFault)
    await expect(store.replaceOwner(ownerOf('acme'))).rejects.toMatchObject(storeFault)
    expect(await store.findKey(idOf(1))).toBeDefined()
    other.exec('COMMIT')
    expect(await store.findKey(idOf(2))).toBeUndefined()
    expect(await store.findOwner('acme')).toBeUndefined()
    expect(await store.addKeys([keyOf(idOf(2))])).toEqual({ outcome: 'added' })
    expect(await store.replaceOwner(ownerOf('acme'))).toEqual({ outcome: 'replaced' })
  })

  test('an owner whose row was not written by this program is a fault, and no owner without limits', async () => {
    const { file, store } = openStore()
    await store.replaceOwner(ownerOf('acme', { limits: ['10/min'] }))
    const other = openOther(file)
    other.exec("PRAGMA ignore_check_constraints = ON; UPDATE owners SET limits = '[\"10/mi'")
    await expect(store.findOwner('acme')).rejects.toMatchObject(storeFault)
    expect(await store.listOwners({ limit: 10 })).toEqual({ owners: [], hasMore: false, damaged: ['acme'] })
  })

  test('a write waits for a lock without stopping the process: the timer that frees it runs', async () => {
    const { file, store } = openStore({ lockTimeoutMs: 20_000 })
    const other = openOther(file)
    other.exec('BEGIN IMMEDIATE')
    const writing = Promise.all([store.addKeys([keyOf(idOf(1))]), store.addKeys([keyOf(idOf(2))])])
    setImmediate(() => other.exec('COMMIT'))
    expect(await writing).toEqual([{ outcome: 'added' }, { outcome: 'added' }])
  })

  test('a long search among many keys lets others have their turn, and ends when the store closes', async () => {
    const { store } = openStore()
    await store.addKeys(Array.from({ length: 3_000 }, (_, number) => keyOf(idOf(number))))
    const searching = store.listKeys({ sort: 'name', descending: false, limit: 10, nameContains: 'nobody' })
    setImmediate(() => store.close())
    await expect(searching).rejects.toMatchObject(storeFault)
  })

  test('a write that waits when the store closes rejects, and is not carried out', async () => {
    const { file, store } = openStore({ lockTimeoutMs: 20_000 })
    const other = openOther(file)
    other.exec('BEGIN IMMEDIATE')
    const writing = store.addKeys([keyOf(idOf(1))])
    await store.close()
    await expect(writing).rejects.toMatchObject(storeFault)
    other.exec('ROLLBACK')
    expect(other.prepare('SELECT id FROM keys').all()).toEqual([])
  })

  for (const suffix of ['', '-wal'])
    test(`keys.db${suffix} moved away under the store is a fault, not silence; moved back, all works again`, async () => {
      const { file, store } = openStore()
      await store.addKeys([keyOf(idOf(1))])
      const { cursor } = await store.readChanges(undefined)
      renameSync(`${file}${suffix}`, `${file}.aside`)
      await expect(store.readChanges(cursor)).rejects.toMatchObject(storeFault)
      await expect(store.readChanges(cursor)).rejects.toThrow(/was deleted while in use/)
      await expect(store.addKeys([keyOf(idOf(2))])).rejects.toMatchObject(storeFault)
      await expect(store.findOwner('acme')).rejects.toMatchObject(storeFault)
      await expect(store.replaceOwner(ownerOf('acme'))).rejects.toMatchObject(storeFault)
      renameSync(`${file}.aside`, `${file}${suffix}`)
      expect((await store.readChanges(cursor)).keyIds).toEqual([])
      expect(await store.addKeys([keyOf(idOf(2))])).toEqual({ outcome: 'added' })
    })

  test('another database in the place of the file is a fault, and is not written to', async () => {
    const { file, store } = openStore()
    const { cursor } = await store.readChanges(undefined)
    renameSync(file, `${file}.aside`)
    writeFileSync(file, 'a backup, for all we know')
    await expect(store.readChanges(cursor)).rejects.toThrow(/was replaced while in use/)
    await expect(store.addKeys([keyOf(idOf(1))])).rejects.toMatchObject(storeFault)
    renameSync(`${file}.aside`, file)
  })

  test('pages overwritten under the store are faults or right answers, never wrong ones', async () => {
    const folder = createTemporaryFolder()
    const file = join(folder, 'keys.db')
    const before = openSqliteKeyStore({ peppers, file })
    await before.addKeys(Array.from({ length: 2_000 }, (_, number) => keyOf(idOf(number))))
    await before.close()
    const store = openSqliteKeyStore({ peppers, file, cacheKiB: 16 })
    // Another process does it: this one must not open and close a file that SQLite holds locks on.
    execFileSync('dd', [
      'if=/dev/urandom',
      `of=${file}`,
      'bs=4096',
      'seek=20',
      'count=60',
      'conv=notrunc',
      'status=none',
    ])
    let faults = 0
    for (let number = 0; number < 2_000; number += 1) {
      const found = await store.findKey(idOf(number)).catch((error: unknown) => {
        expect(error).toMatchObject(storeFault)
        faults += 1
        return keyOf(idOf(number))
      })
      expect(found?.name).toBe(keyOf(idOf(number)).name)
      expect(Buffer.from(found?.secrets[0]?.digest ?? [])).toEqual(Buffer.from(digestOf(idOf(number))))
    }
    expect(faults).toBeGreaterThan(0)
    await store.close()
  })

  test('a full database refuses a write whole, and takes it once there is room', async () => {
    const file = join(createTemporaryFolder(), 'keys.db')
    const database = openDatabase({ file, busyTimeoutMs: 1_000, cacheKiB: 1_024 })
    const rows = createBelievedRows(createRowMacs(peppers), noTelemetry)
    prepareKeys(database, file, Number.POSITIVE_INFINITY)
    migrateDatabase(database, file, peppers)
    const store = createSqliteKeyStore({ database, file, rows, clock: () => 0, lockTimeoutMs: 0 })
    const many = Array.from({ length: 1_000 }, (_, number) => keyOf(idOf(number)))
    database.exec('PRAGMA max_page_count = 30')
    await expect(store.addKeys(many)).rejects.toMatchObject(storeFault)
    expect(await store.listKeys({ sort: 'id', descending: false, limit: 10 })).toEqual({
      keys: [],
      hasMore: false,
    })
    database.exec('PRAGMA max_page_count = 100000')
    expect(await store.addKeys(many)).toEqual({ outcome: 'added' })
    await store.close()
  })

  test('a full disk refuses a write whole, reads go on, and it is taken once there is room', async (context) => {
    const folder = createTemporaryFolder()
    if (!mountSmallDisk(folder)) return context.skip('mounting a small disk takes root')
    const file = join(folder, 'keys.db')
    const store = openSqliteKeyStore({ peppers, file })
    await store.addKeys([keyOf(idOf(0))])
    const filler = join(folder, 'filler')
    fillDisk(filler)
    const many = Array.from({ length: 500 }, (_, number) => keyOf(idOf(number + 1)))
    await expect(store.addKeys(many)).rejects.toMatchObject(storeFault)
    expect(await store.findKey(idOf(0))).toBeDefined()
    expect(await store.findKey(idOf(1))).toBeUndefined()
    rmSync(filler)
    expect(await store.addKeys(many)).toEqual({ outcome: 'added' })
    await store.close()
  })

  test('a server that closes when its file is gone leaves what is in its place alone', async () => {
    const { file, store } = openStore()
    await store.addKeys([keyOf(idOf(1))])
    for (const suffix of ['', '-wal', '-shm']) if (existsSync(`${file}${suffix}`)) rmSync(`${file}${suffix}`)
    const restored = openSqliteKeyStore({ peppers, file })
    await restored.addKeys([keyOf(idOf(2))])
    await store.close()
    expect(await restored.findKey(idOf(2))).toBeDefined()
    expect((await restored.readChanges(undefined)).hasKeys).toBe(true)
    await restored.close()
  })
})

describe('opening an SQLite store', () => {
  const codeOf = (file: string): unknown => {
    try {
      openSqliteKeyStore({ peppers, file, lockTimeoutMs: 20 })
      return 'opened'
    } catch (error) {
      return (error as { code?: unknown }).code
    }
  }
  const createClosed = async (): Promise<string> => {
    const file = join(createTemporaryFolder(), 'keys.db')
    const store = openSqliteKeyStore({ peppers, file })
    await store.addKeys(Array.from({ length: 100 }, (_, number) => keyOf(idOf(number))))
    await store.close()
    return file
  }

  test('a file that is no database is data_corrupt, and stays as it is', async () => {
    const file = join(createTemporaryFolder(), 'keys.db')
    writeFileSync(file, 'name,age\n'.repeat(1_000))
    expect(codeOf(file)).toBe('data_corrupt')
  })
  test('an overwritten header is data_corrupt', async () => {
    const file = await createClosed()
    execFileSync('dd', ['if=/dev/zero', `of=${file}`, 'bs=16', 'count=1', 'conv=notrunc', 'status=none'])
    expect(codeOf(file)).toBe('data_corrupt')
  })
  test('a truncated file is data_corrupt', async () => {
    const file = await createClosed()
    truncateSync(file, 4_096 * 3)
    expect(codeOf(file)).toBe('data_corrupt')
  })
  test('a lock that is not freed in time is data_locked', async () => {
    const file = await createClosed()
    const other = openOther(file)
    other.exec('BEGIN IMMEDIATE')
    expect(codeOf(file)).toBe('data_locked')
    other.exec('ROLLBACK')
  })
  test('a missing folder is data_missing; a path that takes no file is data_unwritable; a folder, data_unreadable', () => {
    const folder = createTemporaryFolder()
    mkdirSync(join(folder, 'keys.db'))
    writeFileSync(join(folder, 'file'), '')
    expect(codeOf(join(folder, 'none', 'keys.db'))).toBe('data_missing')
    expect(codeOf(join(folder, 'file', 'keys.db'))).toBe('data_unwritable')
    expect(codeOf('/proc/keys.db')).toBe('data_unwritable')
    expect(codeOf(join(folder, 'keys.db'))).toBe('data_unreadable')
  })
  test('a disk that cannot be written is data_unwritable', (context) => {
    const folder = createTemporaryFolder()
    if (!mountSmallDisk(folder)) return context.skip('mounting a disk takes root')
    const file = join(folder, 'keys.db')
    execFileSync('mount', ['-o', 'remount,ro', folder])
    expect(codeOf(file)).toBe('data_unwritable')
  })
})

function openStore(options: { lockTimeoutMs?: number } = {}): { file: string; store: KeyStore } {
  const file = join(createTemporaryFolder(), 'keys.db')
  const store = openSqliteKeyStore({ peppers, file, ...options })
  onTestFinished(() => store.close())
  return { file, store }
}

/** Another connection to the same file, as another process would have. */
function openOther(file: string): SqliteDatabase {
  const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
  onTestFinished(() => database.close())
  return database
}
