import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface Project {
  readonly folder: string
  readonly remove: () => Promise<void>
}

const execute = promisify(execFile)

/**
 * An empty project that has installed these dependencies by npm, as a stranger would. No package
 * needs an install script, which npm 10 runs and npm 11 asks about.
 */
export async function createProject(dependencies: Readonly<Record<string, string>>): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), 'modelward-project-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    await install(folder, { private: true, type: 'module', dependencies })
    return { folder, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

async function install(folder: string, manifest: Readonly<Record<string, unknown>>): Promise<void> {
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest))
  await execute(
    'npm',
    ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: folder },
  )
  await cp('test/package/apps', folder, { recursive: true })
}
