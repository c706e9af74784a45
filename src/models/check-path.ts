import { statSync } from 'node:fs'
import { SetupError } from '../core/setup-error.ts'

/**
 * Says in one sentence that nothing is at a path, which whatever reads it would say in its own way.
 *
 * @param where what the message starts with
 * @throws SetupError `model_unreadable`
 */
export function checkPath(path: string, kind: 'file' | 'folder', where: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) throw new SetupError('model_unreadable', `${where}: there is no such ${kind}`)
  const other = kind === 'file' ? 'folder' : 'file'
  if (found.isDirectory() !== (kind === 'folder'))
    throw new SetupError('model_unreadable', `${where}: expected a ${kind}, got a ${other}`)
}
