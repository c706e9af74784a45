import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createTemporaryFolder } from '../../../../test/contract/temporary-folder.ts'
import { openDatabase } from '../driver.ts'
import { logBoundsOf, shortenLog } from './maintenance.ts'

const MiB = 2 ** 20

test('the log of a ledger with a maximum is small beside it, and never larger than that of one without', () => {
  const unlimited = { framesMax: 8_192, bytesMax: 256 * MiB }
  expect(logBoundsOf()).toEqual(unlimited)
  expect(logBoundsOf(50_000 * MiB)).toEqual(unlimited)
  expect(logBoundsOf(16 * MiB)).toEqual({ framesMax: 1_024, bytesMax: 16 * MiB })
  expect(logBoundsOf(64 * MiB)).toEqual({ framesMax: 4_096, bytesMax: 32 * MiB })
})

test('a log that another program holds is told with its size, and cut once that has ended', () => {
  const file = join(createTemporaryFolder(), 'ledger.db')
  const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
  database.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE filler (bytes BLOB)')
  const reader = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 64 })
  reader.exec('BEGIN')
  reader.prepare('SELECT count(*) FROM filler').get()
  database.exec(`INSERT INTO filler VALUES (zeroblob(${5 * MiB}))`)
  const bounds = { framesMax: 1_000_000, bytesMax: 2 * MiB }
  expect(shortenLog(database, file, bounds)).toBeGreaterThan(5 * MiB)
  reader.close()
  expect(shortenLog(database, file, bounds)).toBeUndefined()
  database.close()
})
