import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'
import { packPackage } from '../package/pack-package.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A folder with the two packed packages and all of this folder's `package.json` installed. */
    readonly installed: string
  }
}

const execute = promisify(execFile)
const quietly = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']

/** Installs once for all tests, by the lock file; each test has a project of its own over it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'modelward-ecosystem-'))
  const packed = await packPackage()
  async function remove(): Promise<void> {
    await packed.remove()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    for (const file of ['package.json', 'package-lock.json'])
      await cp(join('test/ecosystem', file), join(folder, file))
    await execute('npm', ['ci', ...quietly], { cwd: folder })
    await execute('npm', ['install', '--no-save', ...quietly, packed.tarball, packed.server.tarball], {
      cwd: folder,
    })
  } catch (error) {
    await remove()
    throw error
  }
  project.provide('installed', folder)
  return remove
}
