import { isKeyId } from '../../keys/key-text.ts'
import { usageError } from '../cli-error.ts'

/**
 * Checks the id of a key as typed. A whole key in its place is told apart, without being shown: it is in the shell's history now.
 *
 * @param where the argument or flag that it was typed for
 * @throws CliError `usage_invalid`
 */
export function checkKeyId(text: string, where = 'id'): string {
  if (isKeyId(text)) return text
  const [, id] = /_(?:live|test)_([0-9A-Za-z]{12})_[0-9A-Za-z]{20,}$/.exec(text) ?? []
  if (id === undefined) throw usageError(where, 'expected the 12 letters and digits of a key id')
  throw usageError(
    where,
    `expected a key id, got a whole key; its id is ${id}, and as command lines are recorded, it should be rotated`,
  )
}
