import { join } from 'node:path'
import { expect, test } from 'vitest'
import { idOf, keyOf, peppers } from '../../../../test/contract/key-fixtures.ts'
import { createTemporaryFolder } from '../../../../test/contract/temporary-folder.ts'
import { createRowMacs } from '../../../secrets/row-macs.ts'
import { noTelemetry } from '../../../telemetry/telemetry.ts'
import { createBelievedRows } from '../../keys/believed-rows.ts'
import { openDatabase } from '../driver.ts'
import { migrateDatabase, prepareKeys } from './key-schema.ts'
import { createKeyTable, neighboursMax, placeOf } from './key-table.ts'

const rows = createBelievedRows(createRowMacs(peppers), noTelemetry)

test('ids that hash alike are found beside each other, and too many of them are refused, not mixed up', () => {
  const file = join(createTemporaryFolder(), 'keys.db')
  const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
  prepareKeys(database, file, 0)
  migrateDatabase(database, file, peppers)
  const table = createKeyTable(database, rows)
  let change = 0
  const next = (): number => {
    change += 1
    return change
  }
  const put = database.prepare('UPDATE keys SET place = ? WHERE id = ?')
  for (let number = 1; number < neighboursMax; number += 1) {
    table.add(keyOf(idOf(number)), next)
    put.run(placeOf(idOf(0)) + number - 1, idOf(number))
  }
  expect(table.find(idOf(0))).toBeUndefined()
  table.add(keyOf(idOf(0)), next)
  expect(table.find(idOf(0))?.id).toBe(idOf(0))
  put.run(placeOf(idOf(99)), idOf(0))
  table.add(keyOf(idOf(98)), next)
  put.run(placeOf(idOf(0)) + neighboursMax - 1, idOf(98))
  expect(() => table.add(keyOf(idOf(0), { name: 'again' }), next)).toThrow(/hash alike/)
  database.close()
})

test('looking a key up by its id reads one tree, and each sort walks an index', () => {
  const file = join(createTemporaryFolder(), 'keys.db')
  const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
  prepareKeys(database, file, 0)
  migrateDatabase(database, file, peppers)
  const planOf = (sql: string): string =>
    database
      .prepare<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map((row) => row.detail)
      .join('; ')
  expect(planOf("SELECT name FROM keys WHERE place BETWEEN 1 AND 2 AND +id = 'a'")).toBe(
    'SEARCH keys USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)',
  )
  for (const column of ['created_at', 'updated_at', 'expires_at', 'last_used_at', 'name'])
    for (const [direction, beyond] of [
      ['ASC', '>'],
      ['DESC', '<'],
    ])
      expect(
        planOf(
          `SELECT * FROM keys WHERE (${column}, id) ${beyond} ('a', 'b') ORDER BY ${column} ${direction}, id ${direction} LIMIT 5`,
        ),
      ).toBe(`SEARCH keys USING INDEX keys_by_${column} ((${column},id)${beyond}(?,?))`)
  database.close()
})

test('places are part of the file format: these never change', () => {
  expect(['', 'k00000000001', '7Qm2xT0bKc9Z'].map(placeOf)).toMatchInlineSnapshot(`
    [
      3882932542953520,
      180401788610064,
      1686707127768080,
    ]
  `)
})

test('places of a hundred thousand ids in a row are whole, apart and within a rowid that a number holds', () => {
  const places = Array.from({ length: 100_000 }, (_, number) =>
    placeOf(`k${String(number).padStart(11, '0')}`),
  )
  expect(new Set(places).size).toBe(places.length)
  for (const place of places) {
    if (place % neighboursMax !== 0 || place < 0 || place > 2 ** 52) expect.fail(`place ${place}`)
  }
})
