import { openDataFolder } from '../../../src/storage/sqlite/data-folder.ts'
import { sayLine } from './say-line.ts'

// Creates a secret file upon any input, and prints what it holds then.
const [, , folder = '', text = ''] = process.argv
sayLine('ready')
process.stdin.once('data', () => {
  const data = openDataFolder(folder, { create: true })
  sayLine(`${data.createSecretFile('pepper', text)}`)
  process.exit()
})
