import { writeSync } from 'node:fs'
import { openDataFolder } from '../../../src/stores/sqlite/data-folder.ts'

// Creates a secret file when told to, by anything on standard input, and prints what is in it afterwards.
const [, , folder = '', text = ''] = process.argv
writeSync(1, 'ready\n')
process.stdin.once('data', () => {
  const data = openDataFolder(folder, { create: true })
  writeSync(1, `${data.createSecretFile('pepper', text)}\n`)
  process.exit()
})
