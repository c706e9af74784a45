import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { peppers } from '../../../test/contract/key-fixtures.ts'
import { createTemporaryFolder } from '../../../test/contract/temporary-folder.ts'
import { openDataFolder } from './data-folder.ts'
import { openSqliteKeyStore } from './keys/key-file.ts'

test('a new folder is made with mode 0700, and all that is put in it has 0600', async () => {
  const path = join(createTemporaryFolder(), 'a', 'b')
  const folder = openDataFolder(path, { create: true })
  folder.createSecretFile('pepper', 'secret')
  folder.replaceSecretFile('key', 'secret')
  const lock = folder.lockForServer()
  const store = openSqliteKeyStore({ peppers, file: folder.databaseFile })
  await store.addSetting('a', 'b')
  expect(modeOf(path)).toBe('700')
  const names = readdirSync(path)
  expect(names.sort()).toEqual([
    'key',
    'modelward.db',
    'modelward.db-shm',
    'modelward.db-wal',
    'pepper',
    'server.lock',
  ])
  for (const name of names) expect(modeOf(join(path, name)), name).toBe('600')
  await store.close()
  lock.release()
})

test.each(['pepper', 'modelward.db', 'ledger.db-wal', 'jobs.db'])(
  'a link in the place of %s is not followed, wherever it leads; the folder may be one',
  (name) => {
    const above = createTemporaryFolder()
    const path = join(above, 'data')
    openDataFolder(path, { create: true })
    const link = join(above, 'link')
    symlinkSync(path, link)
    expect(openDataFolder(link, { create: false }).path).toBe(link)
    symlinkSync(join(above, 'elsewhere'), join(path, 'node_modules'))
    expect(openDataFolder(path, { create: false }).path).toBe(path)
    symlinkSync(join(above, 'elsewhere'), join(path, name))
    expect(() => openDataFolder(path, { create: true })).toThrow(`${join(path, name)}: is a symbolic link`)
    writeFileSync(join(above, 'elsewhere'), 'of another program')
    expect(() => openDataFolder(link, { create: false })).toThrow(/links in the data folder are not followed/)
  },
)

test('an empty folder that others may enter is closed to them, and so is one that holds our database', async () => {
  const path = join(createTemporaryFolder(), 'data')
  mkdirSync(path)
  chmodSync(path, 0o755)
  const { databaseFile } = openDataFolder(path, { create: false })
  expect(modeOf(path)).toBe('700')
  await openSqliteKeyStore({ peppers, file: databaseFile }).close()
  writeFileSync(join(path, 'first-keys.json'), '{}')
  chmodSync(path, 0o750)
  chmodSync(databaseFile, 0o644)
  openDataFolder(path, { create: true })
  await openSqliteKeyStore({ peppers, file: databaseFile }).close()
  expect([modeOf(path), modeOf(databaseFile)]).toEqual(['700', '600'])
})

test('a folder of other things that others may enter is refused and left as it is; a closed one is taken', () => {
  const path = join(createTemporaryFolder(), 'project')
  mkdirSync(path)
  chmodSync(path, 0o755)
  writeFileSync(join(path, 'package.json'), '{}')
  expect(codeOf(path, true)).toBe('config_invalid')
  expect(modeOf(path)).toBe('755')
  chmodSync(path, 0o700)
  expect(codeOf(path, true)).toBe('opened')
})

test('what is not there is data_missing, unless it may be created', () => {
  const path = join(createTemporaryFolder(), 'none')
  expect(codeOf(path, false)).toBe('data_missing')
  expect(codeOf(path, true)).toBe('opened')
  expect(codeOf(path, false)).toBe('opened')
})

test('a file, a path below a file, and a place that takes no folder are data_unwritable', () => {
  const folder = createTemporaryFolder()
  writeFileSync(join(folder, 'file'), '')
  symlinkSync(join(folder, 'gone'), join(folder, 'dangling'))
  for (const create of [true, false]) expect(codeOf(join(folder, 'file'), create)).toBe('data_unwritable')
  expect(codeOf(join(folder, 'file', 'below'), true)).toBe('data_unwritable')
  expect(codeOf('/proc/modelward', true)).toBe('data_unwritable')
  expect(codeOf(join(folder, 'dangling'), false)).toBe('data_missing')
})

test('a folder that another user owns and everyone may enter is refused', (context) => {
  if (process.getuid?.() !== 0) return context.skip('giving a folder away takes root')
  const path = join(createTemporaryFolder(), 'data')
  mkdirSync(path)
  chownSync(path, 12_345, 12_345)
  chmodSync(path, 0o777)
  const program = `
    process.setgid(23456)
    process.setuid(23456)
    const { openDataFolder } = await import(${JSON.stringify(new URL('./data-folder.ts', import.meta.url).href)})
    try { openDataFolder(${JSON.stringify(path)}, { create: false }); console.log('opened') } catch (error) { console.log(error.code) }`
  chmodSync(join(path, '..'), 0o755)
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  expect(printed.trim()).toBe('config_invalid')
})

test('a folder on a disk that cannot be written is data_unwritable', (context) => {
  const path = createTemporaryFolder()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=64k,mode=0700', 'tmpfs', path], { stdio: 'ignore' })
  } catch {
    return context.skip('mounting a disk takes root')
  }
  onTestFinished(() => {
    execFileSync('umount', ['--lazy', path])
  })
  expect(codeOf(path, true)).toBe('data_unwritable')
})

test('a folder has one server at a time, within a process too', () => {
  const folder = openDataFolder(join(createTemporaryFolder(), 'data'), { create: true })
  const lock = folder.lockForServer()
  expect(() => folder.lockForServer()).toThrow(expect.objectContaining({ code: 'data_in_use' }))
  lock.release()
  lock.release()
  folder.lockForServer().release()
})

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8)
}

function codeOf(path: string, create: boolean): unknown {
  try {
    openDataFolder(path, { create })
    return 'opened'
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}
