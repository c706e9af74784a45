import { idOf, keyOf, ownerOf } from '../key-fixtures.ts'
import { openPostgresKeys } from '../postgres-keys.ts'
import { sayLine } from './say-line.ts'

// Changes keys and owners one after another, and prints the name of each key that is durable.
const [, , url = '', first = '0', count = 'Infinity'] = process.argv
const { store, close } = await openPostgresKeys(url)
const owner = `owner ${first}`
let version = 0
for (let number = Number(first); number < Number(first) + Number(count); number += 1) {
  const id = idOf(number)
  await store.addKeys([keyOf(id, { owner, imported: number % 2 === 0 })])
  if (number % 3 === 0)
    await store.replaceKey(keyOf(id, { version: 2, owner, imported: number % 2 === 0, revokedAt: 1 }))
  if (number % 5 === 0) {
    version += 1
    await store.replaceOwner(ownerOf(owner, { version }))
  }
  sayLine(id)
}
await close()
