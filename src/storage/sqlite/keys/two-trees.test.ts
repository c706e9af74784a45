import { join } from 'node:path'
import { expect, test } from 'vitest'
import { idOf, keyOf, ownerOf, peppers } from '../../../../test/contract/key-fixtures.ts'
import { createTemporaryFolder } from '../../../../test/contract/temporary-folder.ts'
import { collectEvents } from '../../../../test/support/collect-events.ts'
import { createRowMacs } from '../../../secrets/row-macs.ts'
import { createBelievedRows } from '../../keys/believed-rows.ts'
import type { SqliteDatabase } from '../database.ts'
import { openDatabase } from '../driver.ts'
import { migrateDatabase, prepareKeys } from './key-schema.ts'
import { createKeyTable } from './key-table.ts'
import { createOwnerTable } from './owner-table.ts'

/** A file with two connections: before the first makes a read, the other one writes. */
function openRacing() {
  const file = join(createTemporaryFolder(), 'keys.db')
  const open = () => openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
  const [database, other] = [open(), open()]
  prepareKeys(database, file, 0)
  migrateDatabase(database, file, peppers)
  const { telemetry, names } = collectEvents()
  const rows = createBelievedRows(createRowMacs(peppers), telemetry)
  const race = { before: /^$/, write: () => {} }
  function racing<S extends ReturnType<SqliteDatabase['prepare']>>(sql: string, statement: S): S {
    return {
      get(...values: Parameters<S['get']>) {
        if (race.before.test(sql)) {
          race.before = /^$/
          race.write()
        }
        return statement.get(...values)
      },
      all: (...values: Parameters<S['all']>) => statement.all(...values),
      run: (...values: Parameters<S['run']>) => statement.run(...values),
    } as S
  }
  const watched: SqliteDatabase = {
    ...database,
    prepare: (sql) => racing(sql, database.prepare(sql)) as never,
    prepareCells: (sql) => racing(sql, database.prepareCells(sql)) as never,
  }
  let change = 0
  const next = (): number => {
    change += 1
    return change
  }
  const of = (connection: SqliteDatabase) => ({
    keys: createKeyTable(connection, rows),
    owners: createOwnerTable(connection, rows),
  })
  return { race, reader: of(watched), writer: of(other), next, rows, names, database: other }
}

test('a key or an owner that another process adds between two reads is no damage', () => {
  const { race, reader, writer, next, rows, names } = openRacing()
  Object.assign(race, { before: /autoindex/, write: () => writer.keys.add(keyOf(idOf(1)), next) })
  expect([undefined, idOf(1)]).toContain(reader.keys.find(idOf(1))?.id)
  Object.assign(race, { before: /again/, write: () => writer.owners.replace(ownerOf('acme'), next) })
  expect([undefined, 'acme']).toContain(reader.owners.find('acme')?.owner)
  expect([names, rows.hasDamage()]).toEqual([[], false])
})

test('an imported key whose secret another process replaces between two reads is no damage', () => {
  const { race, reader, writer, next, rows, names } = openRacing()
  const key = keyOf(idOf(1), { imported: true })
  const [secret] = key.secrets
  if (secret === undefined) throw new Error('a key without a secret')
  writer.keys.add(key, next)
  const replaced = { ...secret, digest: new Uint8Array(32).fill(9) }
  const after = { ...key, version: 2, secrets: [replaced] }
  Object.assign(race, { before: /FROM keys WHERE place/, write: () => writer.keys.replace(after, next) })
  reader.keys.findImported([secret.digest])
  expect([names, rows.hasDamage()]).toEqual([[], false])
  expect(reader.keys.findImported([replaced.digest])?.version).toBe(2)
})

test('a digest that leads to another key is said once, however often it is presented, until it is mended', () => {
  const { reader, writer, next, rows, names, database } = openRacing()
  const key = keyOf(idOf(1), { imported: true })
  writer.keys.add(key, next)
  writer.keys.add(keyOf(idOf(2)), next)
  const digests = key.secrets.map(({ digest }) => digest)
  database.exec(`UPDATE imported_digests SET key_id = '${idOf(2)}'`)
  for (let times = 0; times < 3; times += 1) expect(() => reader.keys.findImported(digests)).toThrow()
  expect(names).toEqual(['keys.row_damaged'])
  expect(rows.hasDamage()).toBe(true)
  database.exec(`UPDATE imported_digests SET key_id = '${idOf(1)}'`)
  expect(reader.keys.findImported(digests)?.id).toBe(idOf(1))
  expect(rows.hasDamage()).toBe(false)
})
