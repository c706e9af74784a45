import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createTemporaryFolder } from '../../../test/contract/temporary-folder.ts'
import { createSecretFile, readSecretFile, replaceSecretFile } from './secret-file.ts'

test('the first text stays, and later creators get it', () => {
  const folder = createTemporaryFolder()
  expect(readSecretFile(folder, 'pepper', 'pepper_unreadable')).toBeUndefined()
  expect(createSecretFile(folder, 'pepper', 'first')).toBe('first')
  expect(createSecretFile(folder, 'pepper', 'second')).toBe('first')
  expect(readSecretFile(folder, 'pepper', 'pepper_unreadable')).toBe('first')
  expect(readdirSync(folder)).toEqual(['pepper'])
})

test('replacing puts a new text there, 0600, and leaves nothing else', () => {
  const folder = createTemporaryFolder()
  createSecretFile(folder, 'pepper', 'first')
  replaceSecretFile(folder, 'pepper', 'second')
  expect(readSecretFile(folder, 'pepper', 'pepper_unreadable')).toBe('second')
  expect(statSync(join(folder, 'pepper')).mode & 0o777).toBe(0o600)
  expect(readdirSync(folder)).toEqual(['pepper'])
})

test('what is there and cannot be read has the code the caller gives, and cannot be created or replaced', () => {
  const folder = createTemporaryFolder()
  mkdirSync(join(folder, 'pepper'))
  const codeOf = (code: string): unknown => expect.objectContaining({ name: 'SetupError', code })
  expect(() => readSecretFile(folder, 'pepper', 'pepper_unreadable')).toThrow(codeOf('pepper_unreadable'))
  expect(() => createSecretFile(folder, 'pepper', 'x')).toThrow(codeOf('data_unreadable'))
  expect(() => replaceSecretFile(folder, 'pepper', 'x')).toThrow(codeOf('data_unreadable'))
  expect(readdirSync(folder)).toEqual(['pepper'])
})

test('a name that leads out of the folder is refused', () => {
  for (const name of ['../pepper', 'a/b', '', '.hidden', 'a\0b'])
    expect(() => createSecretFile(createTemporaryFolder(), name, 'x')).toThrow(TypeError)
})
