import { join } from 'node:path'
import { expect, test } from 'vitest'
import { answerOf, idOf, keyOf, ownerOf, peppers } from '../../../../test/contract/key-fixtures.ts'
import { createTemporaryFolder } from '../../../../test/contract/temporary-folder.ts'
import type { SqliteDatabase, SqliteStatement } from '../database.ts'
import { openDatabase } from '../driver.ts'
import { inspectRows } from './inspect-rows.ts'
import { openSqliteKeyStore } from './key-file.ts'

const count = 2_500

async function openFilled() {
  const file = join(createTemporaryFolder(), 'keys.db')
  const store = openSqliteKeyStore({ peppers, file, clock: () => 0 })
  await store.addKeys(
    Array.from({ length: 3 }, (_, at) => keyOf(idOf(at))),
    answerOf('retry'),
  )
  await store.replaceOwner(ownerOf('acme'))
  await store.close()
  const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
  // Owners and answers that this program did not write.
  database.exec(`
    WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${count})
      INSERT INTO owners (owner, version, limits, created_at, updated_at, change, mac)
      SELECT 'owner ' || n, 1, '[]', 0, 0, -n, NULL FROM n;
    WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${count})
      INSERT INTO answers (id, request_digest, sealed, expires_at) SELECT 'answer ' || n, '', x'00', 1 FROM n;
  `)
  return database
}

/** The same, and the most rows that were in memory at once. */
function measured(database: SqliteDatabase) {
  const most = { rows: 0 }
  function watch<Row>(statement: SqliteStatement<Row>): SqliteStatement<Row> {
    return {
      get: (...values) => statement.get(...values),
      run: (...values) => statement.run(...values),
      all(...values) {
        const found = statement.all(...values)
        most.rows = Math.max(most.rows, found.length)
        return found
      },
    }
  }
  const watched: SqliteDatabase = {
    ...database,
    prepare: (sql) => watch(database.prepare(sql)),
    prepareCells: (sql) => watch(database.prepareCells(sql)),
  }
  return { most, watched }
}

test('every owner and every stored answer is looked at, however many there are, and few are in memory at once', async () => {
  const database = await openFilled()
  const { most, watched } = measured(database)
  expect(inspectRows(watched, peppers)).toMatchObject({ damagedCount: 2 * count, unchecked: 0 })
  expect(most.rows).toBeLessThanOrEqual(1_000)
  database.close()
})

test('what no time is left for is counted, owners and answers too', async () => {
  const database = await openFilled()
  const found = inspectRows(database, peppers, { turnMs: -1 })
  expect(found.unchecked).toBeGreaterThan(2 * count - 2_000)
  expect(found.unchecked + found.damagedCount).toBeGreaterThanOrEqual(2 * count)
  database.close()
})
