import { existsSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Environment } from './environment-layer.ts'

const [othersRead, othersEnter] = [0o004, 0o001]

/**
 * Whether other users can read a file: by its mode, and those of the folders above.
 *
 * @param modeOf gives the mode of a path; 0 where nothing is there
 */
export function isReadableByOthers(path: string, modeOf: (path: string) => number = fileMode): boolean {
  if (process.platform === 'win32') return false
  const file = resolve(path)
  const isOpen = (folder: string): boolean => (modeOf(folder) & othersEnter) !== 0
  return (modeOf(file) & othersRead) !== 0 && foldersAbove(file).every(isOpen)
}

/** Whether this is a container, which has no other users, and mounts its secrets for all. */
export function isContainer(environment: Environment): boolean {
  const marks = ['/.dockerenv', '/run/.containerenv']
  return environment['KUBERNETES_SERVICE_HOST'] !== undefined || marks.some((path) => existsSync(path))
}

function foldersAbove(path: string): readonly string[] {
  const folder = dirname(path)
  return folder === path ? [] : [folder, ...foldersAbove(folder)]
}

function fileMode(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mode ?? 0
}
