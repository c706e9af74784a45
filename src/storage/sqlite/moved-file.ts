import { join } from 'node:path'
import { SetupError } from '../../core/setup-error.ts'
import { readSecretFile, replaceSecretFile } from './secret-file.ts'

/** Stands in a folder that was copied into a fleet's database. */
const fileName = 'moved.json'

/** Where a folder was copied to, without a password; undefined where it was not. */
export function readMoved(folder: string): string | undefined {
  const text = readSecretFile(folder, fileName, 'data_unreadable')
  if (text === undefined) return undefined
  try {
    const { to } = JSON.parse(text) as { readonly to?: unknown }
    if (typeof to === 'string') return to
  } catch {
    // Whatever it says, it stands there.
  }
  return 'a database'
}

/** Says durably where a folder was copied to. @throws SetupError `data_unwritable` */
export function markMoved(folder: string, to: string): void {
  replaceSecretFile(folder, fileName, `${JSON.stringify({ to })}\n`)
}

/**
 * Two servers of one deployment, each with a copy of it, would be two deployments.
 *
 * @throws SetupError `data_moved` for a folder that was copied
 */
export function refuseMoved(folder: string): void {
  const to = readMoved(folder)
  if (to !== undefined) throw dataMoved(folder, to)
}

export function dataMoved(folder: string, to: string): SetupError {
  return new SetupError(
    'data_moved',
    `${folder}: it was copied to ${to}, which is the deployment now: give its --database-url; to go back to this folder as it was then, remove ${join(folder, fileName)}`,
  )
}
