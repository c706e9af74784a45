import { Refusal } from '../../core/refusal.ts'
import { isLabel } from '../../keys/fields/key-fields.ts'
import type { KeyRecord } from '../../keys/record/key-record.ts'
import { keyStatusAt } from '../../keys/record/key-status.ts'
import { isKeyId } from '../../keys/record/key-text.ts'
import type { KeyService } from '../../keys/service/key-service.ts'
import { usageError } from '../cli-error.ts'
import { refuseWholeKey } from './key-options.ts'
import { refuseDamaged } from './refuse-damaged.ts'

/** What help says of a key as an argument. */
export const keyArgument = 'The key’s id, or its name where no other key has it'

/** How many keys of one name an error lists. */
const listedMax = 10

/**
 * Checks a key as typed, before anything is opened.
 *
 * @throws CliError `usage_invalid`
 */
export function checkKey(text: string): string {
  refuseWholeKey(text, 'key')
  if (!isLabel(text)) throw usageError('key', 'expected the id or the name of a key')
  return text
}

/**
 * The key of this id; else the one key of this name, letter by letter. Revoked keys count: a
 * command that is repeated must not find another key, which was given the name meanwhile.
 *
 * @param text checked by `checkKey`
 * @throws CliError `usage_invalid` for a name of several keys; Refusal `not_found`
 */
export async function findKey(keys: Pick<KeyService, 'get' | 'list'>, text: string): Promise<KeyRecord> {
  const byId = isKeyId(text) ? await findById(keys, text) : undefined
  if (byId !== undefined) return byId
  // Sorted by name, the keys of this name come first: no id comes before an empty one.
  const after = { value: text, id: '' }
  const page = await keys.list({ sort: 'name', descending: false, limit: listedMax + 1, after })
  const [found, ...others] = page.keys.filter(({ name }) => name === text)
  // It may have this name.
  if (found === undefined) refuseDamaged(new Set(page.damaged?.map((id) => `key ${id}`)))
  if (found === undefined)
    throw new Refusal('not_found', 'No key has this id or name; `modelward keys list` shows all.')
  if (others.length === 0) return found
  throw usageError('key', `expected a name of one key, got one of ${listIds([found, ...others])}; use the id`)
}

async function findById(keys: Pick<KeyService, 'get'>, id: string): Promise<KeyRecord | undefined> {
  try {
    return await keys.get(id)
  } catch (error) {
    if (error instanceof Refusal && error.code === 'not_found') return undefined
    throw error
  }
}

function listIds(records: readonly KeyRecord[]): string {
  const now = Date.now()
  const ids = records.slice(0, listedMax).map((record) => `${record.id} (${keyStatusAt(record, now)})`)
  return records.length > listedMax ? `${ids.join(', ')} and more` : ids.join(', ')
}
