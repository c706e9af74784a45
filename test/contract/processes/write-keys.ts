import { openSqliteKeyStore } from '../../../src/storage/sqlite/keys/key-file.ts'
import { idOf, keyOf, peppers } from '../key-fixtures.ts'
import { sayLine } from './say-line.ts'

// Adds keys one after another, and prints the name of each that is durable.
const [, , file = '', first = '0'] = process.argv
const store = openSqliteKeyStore({ peppers, file })
for (let number = Number(first); ; number += 1) {
  const id = idOf(number)
  await store.addKeys([keyOf(id, { imported: number % 2 === 0 })])
  if (number % 3 === 0) await store.replaceKey(keyOf(id, { version: 2, imported: number % 2 === 0 }))
  sayLine(id)
}
