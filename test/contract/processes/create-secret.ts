import { openDataFolder } from '../../../src/storage/sqlite/data-folder.ts'
import { sayLine } from './say-line.ts'

// Creates a secret file when told to, by anything on standard input, and prints what is in it afterwards.
const [, , folder = '', text = ''] = process.argv
sayLine('ready')
process.stdin.once('data', () => {
  const data = openDataFolder(folder, { create: true })
  sayLine(`${data.createSecretFile('pepper', text)}`)
  process.exit()
})
