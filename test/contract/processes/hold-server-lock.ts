import { writeSync } from 'node:fs'
import { openDataFolder } from '../../../src/stores/sqlite/data-folder.ts'

// Takes a folder's server lock and holds it until it is killed, though it keeps nothing of it that a collector would spare.
const [, , folder = ''] = process.argv
openDataFolder(folder, { create: false }).lockForServer()
globalThis.gc?.()
writeSync(1, 'held\n')
process.stdin.resume()
