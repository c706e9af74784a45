import { openSqliteLedger } from '../../../src/storage/sqlite/ledger/ledger.ts'
import { createSigningKey, requestOf } from '../ledger.contract.ts'
import { sayLine } from './say-line.ts'

// Appends to a ledger with many in flight, and names each on standard output once it is durable:
// `<name>-<number>`. After `count`, if one is given, it closes the ledger and ends. As a `command`,
// each commit is a stream.
const [, , file = '', name = '', count = 'Infinity', kind = 'server'] = process.argv
const streamPerCommit = kind === 'command'
const ledger = await openSqliteLedger({ file, signingKey: createSigningKey(), streamPerCommit })
let number = 0
async function appendOn(): Promise<void> {
  while (number < Number(count)) {
    const requestId = `${name}-${number++}`
    await ledger.append(requestOf({ requestId, at: Date.now() }))
    sayLine(requestId)
  }
}
await Promise.all(Array.from({ length: 20 }, appendOn))
await ledger.close()
