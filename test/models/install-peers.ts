import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

const project = fileURLToPath(new URL('./project/', import.meta.url))

/**
 * Installs what the adapters load into the project beside this file, once for each state of its
 * lock. No install scripts: that of `onnxruntime-node` would fetch what only other processors need.
 */
export async function installPeers(): Promise<void> {
  const lock = createHash('sha256')
    .update(readFileSync(join(project, 'package-lock.json')))
    .digest('hex')
  const stamp = join(project, 'node_modules/.installed')
  if (isInstalled(stamp, lock)) return
  const args = ['ci', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
  // Beside it, and moved in whole: other test files may load what is there, or install it too.
  const fresh = mkdtempSync(join(project, 'install-'))
  for (const file of ['package.json', 'package-lock.json']) cpSync(join(project, file), join(fresh, file))
  await promisify(execFile)('npm', args, { cwd: fresh })
  writeFileSync(join(fresh, 'node_modules/.installed'), lock)
  if (!isInstalled(stamp, lock)) {
    rmSync(join(project, 'node_modules'), { recursive: true, force: true })
    renameSync(join(fresh, 'node_modules'), join(project, 'node_modules'))
  }
  rmSync(fresh, { recursive: true })
}

function isInstalled(stamp: string, lock: string): boolean {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === lock
}

export interface ModelFolder {
  readonly path: (name: string) => string
  /**
   * Writes a module of a user's, and gives its path. `modelward/models` and the installed packages
   * resolve in it.
   */
  readonly write: (name: string, text: string | Uint8Array) => string
  readonly remove: () => void
}

/** A folder of a user's own. */
export function createModelFolder(): ModelFolder {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-models-'))
  symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'))
  const library = pathToFileURL(fileURLToPath(new URL('../../src/models/index.ts', import.meta.url))).href
  return {
    path: (name) => join(folder, name),
    write(name, text) {
      const path = join(folder, name)
      writeFileSync(
        path,
        typeof text === 'string' ? text.replaceAll("'modelward/models'", `'${library}'`) : text,
      )
      return path
    },
    remove: () => rmSync(folder, { recursive: true }),
  }
}
