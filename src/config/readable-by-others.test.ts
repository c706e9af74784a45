import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { isContainer, isReadableByOthers } from './readable-by-others.ts'

const isUnix = process.platform !== 'win32'

test.runIf(isUnix).each<readonly [string, Readonly<Record<string, number>>, boolean]>([
  ['a file for all in folders for all', { '/': 0o755, '/etc': 0o711, '/etc/pepper': 0o644 }, true],
  ['a file for its group', { '/': 0o755, '/etc': 0o755, '/etc/pepper': 0o640 }, false],
  ['a file for its owner', { '/': 0o755, '/etc': 0o755, '/etc/pepper': 0o400 }, false],
  ['a file for all in a folder for one', { '/': 0o755, '/etc': 0o700, '/etc/pepper': 0o644 }, false],
  ['a file that is not there', { '/': 0o755, '/etc': 0o755 }, false],
])('%s', (_what, modes, isReadable) => {
  expect(isReadableByOthers('/etc/pepper', (path) => modes[path] ?? 0)).toBe(isReadable)
})

test.runIf(isUnix)('modes are those of the files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-readable-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'pepper')
  writeFileSync(file, 'x')
  chmodSync(file, 0o644)
  expect(isReadableByOthers(file), 'the folder is its owner’s').toBe(false)
  expect(isReadableByOthers('/etc/passwd')).toBe(true)
})

test('a pod of Kubernetes is a container', () => {
  expect(isContainer({ KUBERNETES_SERVICE_HOST: '10.0.0.1' })).toBe(true)
})
