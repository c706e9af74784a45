import { mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { expect, test, vi } from 'vitest'
import { createTemporaryFolder } from '../../../test/contract/temporary-folder.ts'
import { createSecretFile } from './secret-file.ts'

vi.mock('node:fs', async (load) => ({
  ...(await load<typeof import('node:fs')>()),
  linkSync() {
    throw Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM' })
  },
}))

test('on a file system without links the first text stays all the same, and nothing else is left', () => {
  const folder = createTemporaryFolder()
  expect(createSecretFile(folder, 'pepper', 'first')).toBe('first')
  expect(createSecretFile(folder, 'pepper', 'second')).toBe('first')
  expect(readdirSync(folder)).toEqual(['pepper'])
})

test('it waits for another process that is creating the file', async () => {
  const folder = createTemporaryFolder()
  const turn = join(folder, 'pepper.turn')
  mkdirSync(turn)
  // This thread waits for it.
  const other = new Worker(
    `const { rmdirSync, writeFileSync } = require('node:fs')
     writeFileSync(${JSON.stringify(join(folder, 'pepper'))}, 'of another')
     rmdirSync(${JSON.stringify(turn)})`,
    { eval: true },
  )
  expect(createSecretFile(folder, 'pepper', 'ours')).toBe('of another')
  await other.terminate()
})

test('a turn that a killed process left is named', () => {
  const folder = createTemporaryFolder()
  mkdirSync(join(folder, 'pepper.turn'))
  expect(() => createSecretFile(folder, 'pepper', 'ours')).toThrow(/pepper\.turn: .* delete this folder/)
  rmdirSync(join(folder, 'pepper.turn'))
  expect(createSecretFile(folder, 'pepper', 'ours')).toBe('ours')
})
