import { openSqliteKeyStore } from '../../../src/storage/sqlite/keys/key-file.ts'
import { idOf, keyOf, peppers } from '../key-fixtures.ts'
import { sayLine } from './say-line.ts'

// Opens a store upon any input, adds one key and prints the outcome.
const [, , file = '', number = '0'] = process.argv
sayLine('ready')
process.stdin.once('data', async () => {
  const store = openSqliteKeyStore({ peppers, file })
  const { outcome } = await store.addKeys([keyOf(idOf(Number(number)))])
  await store.close()
  sayLine(outcome)
  process.exit()
})
