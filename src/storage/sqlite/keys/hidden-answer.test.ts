import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { answerOf, idOf, keyOf, peppers } from '../../../../test/contract/key-fixtures.ts'
import { createTemporaryFolder } from '../../../../test/contract/temporary-folder.ts'
import { openSqliteKeyStore } from './key-file.ts'

test('a bit that flips in the id of a stored answer never has a retry make a second key', async () => {
  const file = join(createTemporaryFolder(), 'keys.db')
  const store = openSqliteKeyStore({ file, peppers })
  const answer = answerOf('retried-once')
  await store.addKeys([keyOf(idOf(1))], answer)
  await store.close()
  const whole = readFileSync(file)
  const places: number[] = []
  for (let at = whole.indexOf('retried-once'); at !== -1; at = whole.indexOf('retried-once', at + 1))
    places.push(at)
  // In its row, and in an index.
  expect(places).toHaveLength(2)
  for (const place of places) {
    const damaged = Buffer.from(whole)
    damaged[place] = (damaged[place] ?? 0) ^ 1
    writeFileSync(file, damaged)
    expect(() => openSqliteKeyStore({ file, peppers })).toThrow(
      expect.objectContaining({ code: 'data_corrupt' }),
    )
  }
})
