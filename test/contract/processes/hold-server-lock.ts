import { openDataFolder } from '../../../src/storage/sqlite/data-folder.ts'
import { sayLine } from './say-line.ts'

// Takes a folder's server lock and holds it until it is killed, though it keeps nothing of it that a collector would spare.
const [, , folder = ''] = process.argv
openDataFolder(folder, { create: false }).lockForServer()
globalThis.gc?.()
sayLine('held')
process.stdin.resume()
