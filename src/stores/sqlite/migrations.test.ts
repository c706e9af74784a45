import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createTemporaryFolder } from '../../../test/contract/temporary-folder.ts'
import { readValue } from './database.ts'
import { openDatabase } from './driver.ts'
import { openSqliteKeyStore } from './key-store.ts'
import { knownVersion, migrateDatabase } from './migrations.ts'

test('a database of a newer version is refused by both numbers, and not a byte of it is touched', async () => {
  const file = join(createTemporaryFolder(), 'keys.db')
  await openSqliteKeyStore({ file }).close()
  change(file, `PRAGMA user_version = ${knownVersion + 3}`)
  const before = digestOf(file)
  expect(() => openSqliteKeyStore({ file })).toThrow(expect.objectContaining({ code: 'data_newer' }))
  expect(() => openSqliteKeyStore({ file })).toThrow(
    `version ${knownVersion + 3}, and this program knows versions up to ${knownVersion}`,
  )
  expect(digestOf(file)).toBe(before)
})

test("another program's database is refused, and not a byte of it is touched", () => {
  const file = join(createTemporaryFolder(), 'keys.db')
  change(file, 'CREATE TABLE photos (id INTEGER)')
  const before = digestOf(file)
  expect(() => openSqliteKeyStore({ file })).toThrow(expect.objectContaining({ code: 'data_corrupt' }))
  expect(digestOf(file)).toBe(before)
})

test('migrating twice does nothing the second time, and the file is in WAL mode with full syncs', () => {
  const file = join(createTemporaryFolder(), 'keys.db')
  const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
  for (let round = 0; round < 2; round += 1) migrateDatabase(database, file, 0)
  expect(readValue(database, 'PRAGMA user_version')).toBe(knownVersion)
  expect(readValue(database, 'PRAGMA journal_mode')).toBe('wal')
  expect(readValue(database, 'PRAGMA synchronous')).toBe(2)
  expect(readValue(database, 'PRAGMA foreign_keys')).toBe(1)
  expect(readValue(database, 'PRAGMA trusted_schema')).toBe(0)
  database.close()
})

function change(file: string, sql: string): void {
  const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
  database.exec(sql)
  database.close()
}

function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}
