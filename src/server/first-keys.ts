import { adminScope, defaultScope } from '../core/scope.ts'
import type { NewKey } from '../keys/new-key.ts'
import type { StorageSecrets } from '../storage/storage.ts'
import type { Ward } from '../ward/ward.ts'

/** The keys made for an empty store: their texts, or the file that holds them. */
export type FirstKeysReport =
  | { readonly address: string; readonly keys: FirstKeys }
  | { readonly address: string; readonly file: string }

export interface FirstKeys {
  /** Text of a key with the scope `admin`. */
  readonly admin: string
  /** Text of a key with the scope `predict`. */
  readonly demo: string
}

export interface FirstKeysOptions {
  readonly ward: Pick<Ward, 'keys' | 'store'>
  readonly secrets: Pick<StorageSecrets, 'handOver'>
  readonly to: 'report' | 'file'
}

const fileName = 'first-keys.json'

const firstKeys: readonly NewKey[] = [
  { name: 'admin', scopes: [adminScope] },
  { name: 'demo', scopes: [defaultScope] },
]

/**
 * Makes one admin key and one demo key if the store has never had any, in one commit. The texts are
 * handed over before it: a crash in between leaves texts of keys that do not exist, and the next
 * start writes others, instead of keys whose texts are lost.
 */
export async function issueFirstKeys({
  ward,
  secrets,
  to,
}: FirstKeysOptions): Promise<{ readonly keys: FirstKeys } | { readonly file: string } | undefined> {
  const { hasKeys } = await ward.store.readChanges(undefined)
  if (hasKeys) return undefined
  let keys: FirstKeys = { admin: '', demo: '' }
  let file = ''
  await ward.keys.createAll(firstKeys, ([admin, demo]) => {
    keys = { admin: admin?.text ?? '', demo: demo?.text ?? '' }
    if (to === 'file') file = secrets.handOver(fileName, `${JSON.stringify(keys, null, 2)}\n`)
  })
  return to === 'file' ? { file } : { keys }
}
