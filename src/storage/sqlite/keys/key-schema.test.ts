import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  digestOf as digestOfText,
  idOf,
  keyOf,
  ownerOf,
  peppers,
  plain,
} from '../../../../test/contract/key-fixtures.ts'
import { createTemporaryFolder } from '../../../../test/contract/temporary-folder.ts'
import { readValue } from '../database.ts'
import { openDatabase } from '../driver.ts'
import { openSqliteKeyStore } from './key-file.ts'
import { knownVersion, migrateDatabase, prepareKeys } from './key-schema.ts'

test('a database of a newer version is refused by both numbers, and not a byte of it is touched', async () => {
  const file = join(createTemporaryFolder(), 'keys.db')
  await openSqliteKeyStore({ peppers, file }).close()
  change(file, `PRAGMA user_version = ${knownVersion + 3}`)
  const before = digestOf(file)
  expect(() => openSqliteKeyStore({ peppers, file })).toThrow(expect.objectContaining({ code: 'data_newer' }))
  expect(() => openSqliteKeyStore({ peppers, file })).toThrow(
    `version ${knownVersion + 3}, and this program knows versions up to ${knownVersion}`,
  )
  expect(digestOf(file)).toBe(before)
})

test('a version below zero, which one flipped bit makes, is refused as damage', async () => {
  const file = join(createTemporaryFolder(), 'keys.db')
  await openSqliteKeyStore({ peppers, file }).close()
  change(file, 'PRAGMA user_version = -2147483644')
  expect(() => openSqliteKeyStore({ peppers, file })).toThrow(
    expect.objectContaining({ code: 'data_corrupt' }),
  )
})

test("another program's database is refused, and not a byte of it is touched", () => {
  const file = join(createTemporaryFolder(), 'keys.db')
  change(file, 'CREATE TABLE photos (id INTEGER)')
  const before = digestOf(file)
  expect(() => openSqliteKeyStore({ peppers, file })).toThrow(
    expect.objectContaining({ code: 'data_corrupt' }),
  )
  expect(digestOf(file)).toBe(before)
})

test('migrating twice does nothing the second time, and the file is in WAL mode with full syncs', () => {
  const file = join(createTemporaryFolder(), 'keys.db')
  const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
  for (let round = 0; round < 2; round += 1) {
    prepareKeys(database, file, 0)
    migrateDatabase(database, file, peppers)
  }
  expect(readValue(database, 'PRAGMA user_version')).toBe(knownVersion)
  expect(readValue(database, 'PRAGMA journal_mode')).toBe('wal')
  expect(readValue(database, 'PRAGMA synchronous')).toBe(2)
  expect(readValue(database, 'PRAGMA foreign_keys')).toBe(1)
  expect(readValue(database, 'PRAGMA trusted_schema')).toBe(0)
  database.close()
})

describe('a database of version 1', () => {
  const createVersion1 = (): string => {
    const file = join(createTemporaryFolder(), 'keys.db')
    change(file, readFileSync('test/contract/databases/version-1.sql', 'utf8'))
    return file
  }

  test('keeps its keys, without limits of their own, its answers and its settings', async () => {
    const store = openSqliteKeyStore({ peppers, file: createVersion1() })
    const imported = {
      imported: true,
      metadata: { plan: 'pro' },
      addresses: ['10.0.0.0/8'],
      expiresAt: 9_000,
    }
    const expected = [
      keyOf(idOf(1), { owner: 'acme' }),
      keyOf(idOf(2), { owner: 'acme', ...imported }),
      keyOf(idOf(3), { version: 2, name: "O'Brien", revokedAt: 4_000, revokedReason: 'leaked' }),
    ]
    const { keys } = await store.listKeys({ sort: 'id', descending: false, limit: 10 })
    expect(plain(keys)).toEqual(plain(expected))
    for (const key of expected) expect(plain(await store.findKey(key.id))).toEqual(plain(key))
    expect((await store.findImportedKey([digestOfText(idOf(2))]))?.id).toBe(idOf(2))
    expect((await store.findAnswer('retry', 5_000))?.requestDigest).toBe('digest')
    expect(await store.findSetting('pepper.1')).toBe(peppers.checkValue(1))
    await store.close()
  })

  test('takes limits of keys and owners from then on, and counts its changes on', async () => {
    const store = openSqliteKeyStore({ peppers, file: createVersion1() })
    const { cursor, hasKeys, hasImportedKeys } = await store.readChanges(undefined)
    expect([hasKeys, hasImportedKeys]).toEqual([true, true])
    await store.replaceOwner(ownerOf('acme', { limits: ['10/min'] }))
    expect([...(await store.readChanges(cursor)).keyIds].sort()).toEqual([idOf(1), idOf(2)])
    const key = keyOf(idOf(3), { version: 3, limits: ['5 concurrent'] })
    expect(await store.replaceKey(key)).toEqual({ outcome: 'replaced' })
    expect((await store.findKey(idOf(3)))?.limits).toEqual(['5 concurrent'])
    await store.close()
  })

  test('ends with the tables of a new one', () => {
    const migrated = createVersion1()
    const made = join(createTemporaryFolder(), 'keys.db')
    const [first, second] = [migrated, made].map((file) => {
      const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
      prepareKeys(database, file, 0)
      migrateDatabase(database, file, peppers)
      const schema = database.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY type, name').all()
      const version = readValue(database, 'PRAGMA user_version')
      database.close()
      return { schema, version }
    })
    expect(first).toEqual(second)
    expect(first?.version).toBe(knownVersion)
  })
})

test('a key of before it was stored who disabled it was disabled by an operator, and its row is believed', async () => {
  const file = join(createTemporaryFolder(), 'keys.db')
  const keys = [keyOf(idOf(1)), keyOf(idOf(2), { disabledAt: 4_000 })]
  const before = openSqliteKeyStore({ peppers, file })
  await before.addKeys(keys)
  await before.close()
  change(file, 'ALTER TABLE keys DROP COLUMN disabled_by; PRAGMA user_version = 5')
  const store = openSqliteKeyStore({ peppers, file })
  for (const key of keys) expect(plain(await store.findKey(key.id))).toEqual(plain(key))
  const byOwner = keyOf(idOf(1), { version: 2, disabledAt: 5_000, isDisabledByOwner: true })
  await store.replaceKey(byOwner)
  expect(plain(await store.findKey(byOwner.id))).toEqual(plain(byOwner))
  await store.close()
})

function change(file: string, sql: string): void {
  const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
  database.exec(sql)
  database.close()
}

function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}
