import { SetupError } from '../../core/setup-error.ts'
import { drawPepper, type Peppers, parsePeppers } from '../../secrets/peppers.ts'
import type { DataFolder } from './data-folder.ts'

const pepperFile = 'pepper'

/** @throws SetupError `pepper_unreadable` */
export function readPepperFile(folder: DataFolder): string | undefined {
  return folder.readSecretFile(pepperFile, 'pepper_unreadable')
}

/**
 * The peppers of a folder. Creates a pepper only if no key can depend on an earlier one.
 *
 * @param found what `readPepperFile` gave before the database was opened
 * @throws SetupError `pepper_missing`, `pepper_unreadable`, `data_unwritable`
 */
export function openPeppers(folder: DataFolder, found: string | undefined, hasKeys: boolean): Peppers {
  const source = `${folder.path}/${pepperFile}`
  // Read again if there are keys: another process that created the folder at the same moment has
  // created the pepper before its first key.
  const text = found ?? (hasKeys ? folder.readSecretFile(pepperFile, 'pepper_unreadable') : undefined)
  if (text !== undefined) return parsePeppers(text, source)
  if (!hasKeys) return parsePeppers(folder.createSecretFile(pepperFile, `${drawPepper(1)}\n`), source)
  throw new SetupError(
    'pepper_missing',
    `${source} is not there, and the keys in this folder cannot be verified without it; restore it from your backup`,
  )
}
