import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openDataFolder } from '../../src/storage/sqlite/data-folder.ts'
import { readValue } from '../../src/storage/sqlite/database.ts'
import { openDatabase } from '../../src/storage/sqlite/driver.ts'
import { openSqliteKeyStore } from '../../src/storage/sqlite/keys/key-file.ts'
import { startProcess } from './child-process.ts'
import { digestOf, idOf, keyOf, peppers } from './key-fixtures.ts'
import { addAtOnce } from './owner-keys.contract.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

describe('several processes on one data folder', () => {
  test('kill -9 while keys are written: every key that was promised is there, and the file is whole', async () => {
    const file = join(createTemporaryFolder(), 'keys.db')
    let promised: readonly string[] = []
    for (const count of [1, 40, 120]) {
      const child = startProcess('write-keys', file, String(promised.length + 1_000 * count))
      await child.waitForLines(count)
      promised = [...promised, ...(await child.kill())]
    }
    const store = openSqliteKeyStore({ peppers, file })
    for (const id of promised) {
      const number = Number(id.slice(1))
      const found = await store.findKey(id)
      expect(found?.version, id).toBe(number % 3 === 0 ? 2 : 1)
      if (number % 2 === 0) expect((await store.findImportedKey([digestOf(id)]))?.id).toBe(id)
    }
    await store.close()
    const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
    expect(readValue(database, 'PRAGMA integrity_check')).toBe('ok')
    expect(readValue(database, 'PRAGMA foreign_key_check')).toBeUndefined()
    database.close()
  })

  test('many that open a new store at once all get it, and every key they add is kept', async () => {
    const file = join(createTemporaryFolder(), 'keys.db')
    const children = [1, 2, 3, 4].map((number) => startProcess('open-store', file, String(number)))
    await Promise.all(children.map((child) => child.waitForLines(1)))
    for (const child of children) child.tell('go')
    for (const child of children) expect(await child.ended).toEqual(['ready', 'added'])
    const store = openSqliteKeyStore({ peppers, file })
    for (const number of [1, 2, 3, 4]) expect(await store.findKey(idOf(number))).toBeDefined()
    await store.close()
  })

  test('keys of an owner that are added through two stores at once are as many as it may have', async () => {
    const file = join(createTemporaryFolder(), 'keys.db')
    const stores = [openSqliteKeyStore({ peppers, file }), openSqliteKeyStore({ peppers, file })]
    expect(await addAtOnce(stores)).toBe(5)
    for (const store of stores) await store.close()
  })

  test('a change by another process shows in the next reading of changes', async () => {
    const file = join(createTemporaryFolder(), 'keys.db')
    const store = openSqliteKeyStore({ peppers, file })
    const { cursor } = await store.readChanges(undefined)
    const child = startProcess('open-store', file, '5')
    child.tell('go')
    await child.ended
    expect(await store.readChanges(cursor)).toMatchObject({ keyIds: [idOf(5)], hasKeys: true })
    await store.close()
  })

  test('many that create the pepper at once end with one text, which each of them is given', async () => {
    const folder = join(createTemporaryFolder(), 'data')
    const children = ['a', 'b', 'c', 'd'].map((text) =>
      startProcess('create-secret', folder, text.repeat(44)),
    )
    await Promise.all(children.map((child) => child.waitForLines(1)))
    for (const child of children) child.tell('go')
    const peppers = await Promise.all(children.map(async (child) => (await child.ended)[1]))
    expect(new Set(peppers)).toEqual(new Set([readFileSync(join(folder, 'pepper'), 'utf8')]))
    expect(readdirSync(folder), 'no temporary file is left').toEqual(['pepper'])
  })

  test('a folder has one server; kill -9 frees it, and the command line works beside it', async () => {
    const folder = join(createTemporaryFolder(), 'data')
    mkdirSync(folder, { mode: 0o700 })
    const data = openDataFolder(folder, { create: false })
    const child = startProcess('hold-server-lock', folder)
    await child.waitForLines(1)
    const inUse = { code: 'data_in_use', message: expect.stringContaining('in use by another process') }
    expect(() => data.lockForServer()).toThrow(expect.objectContaining(inUse))
    const store = openSqliteKeyStore({ peppers, file: data.databaseFile })
    expect(await store.addKeys([keyOf(idOf(1))])).toEqual({ outcome: 'added' })
    await store.close()
    await child.kill()
    data.lockForServer().release()
  })
})
