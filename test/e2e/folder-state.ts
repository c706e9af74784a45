import { hash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

/**
 * Everything below a path, by name: kind, mode and the SHA-256 of what is in it. Two are equal when
 * nothing was changed.
 */
export function folderState(path: string): Readonly<Record<string, string>> {
  const state: Record<string, string> = {}
  function add(file: string): void {
    const found = lstatSync(file, { throwIfNoEntry: false })
    if (found === undefined) return
    const mode = (found.mode & 0o777).toString(8)
    const name = relative(path, file) || '.'
    if (found.isDirectory()) {
      state[name] = `folder ${mode}`
      for (const entry of readdirSync(file)) add(join(file, entry))
    } else {
      state[name] = `file ${mode} ${found.size} ${hash('sha256', readFileSync(file))}`
    }
  }
  add(path)
  return state
}
