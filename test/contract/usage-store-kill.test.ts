import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readValue } from '../../src/storage/sqlite/database.ts'
import { openDatabase } from '../../src/storage/sqlite/driver.ts'
import { startProcess } from './child-process.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

const amounts = { '5000/h': 5_000, '2000/calendar day': 2_000, '40/2h': 40 }
const texts = Object.keys(amounts)

test('kill -9 at any moment under load, again and again: never more than the limit in all, and little less', async () => {
  const file = join(createTemporaryFolder(), 'limits.db')
  const admitted: string[] = []
  let kills = 0
  for (let isFull = false; !isFull; ) {
    const child = startProcess('take-limits', file, ...texts)
    const lines = await Promise.race([
      child.waitForLines(randomInt(1, 900)).then(
        () => child.kill(),
        () => child.ended,
      ),
      child.ended,
    ])
    kills += 1
    isFull = lines.at(-1) === 'full'
    admitted.push(...lines.filter((line) => line !== 'full'))
  }
  const counts = texts.map((text) => admitted.filter((line) => line === text).length)
  for (const [index, [text, amount]] of Object.entries(amounts).entries()) {
    const count = counts[index] ?? 0
    expect(count, text).toBeLessThanOrEqual(amount)
    // What was spare at each kill, and one that was counted and had not been named.
    expect(count, text).toBeGreaterThanOrEqual(amount - kills * (Math.ceil(amount / 64) + 1))
  }
  const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
  expect(readValue(database, 'PRAGMA integrity_check')).toBe('ok')
  database.close()
  process.stdout.write(`limits: ${counts.join(', ')} admitted of ${texts.join(', ')} over ${kills} kills\n`)
})
