import { openDataFolder } from '../../../src/storage/sqlite/data-folder.ts'
import { sayLine } from './say-line.ts'

// Takes a folder's server lock until it is killed, without a reference that would save it from the
// collector.
const [, , folder = ''] = process.argv
openDataFolder(folder, { create: false }).lockForServer()
globalThis.gc?.()
sayLine('held')
process.stdin.resume()
