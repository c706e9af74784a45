import { Refusal } from '../../core/refusal.ts'
import type { LedgerReader } from '../../ledger/ledger.ts'
import type { KeyService } from '../service/key-service.ts'
import type { KeyStore } from '../store/key-store.ts'
import { type EndedKey, findMissingChanges, type MissingChanges, restorer } from './missing-changes.ts'

/** What is missing in restored keys, and which were ended again. */
export interface RestoredKeys extends Omit<MissingChanges, 'enabled' | 'ended'> {
  /** Whether the keys were older than the ledger. */
  readonly isOlder: boolean
}

export interface RestoreOptions {
  readonly store: Pick<KeyStore, 'findKey' | 'readChanges'>
  readonly keys: Pick<KeyService, 'by'>
  readonly ledger: Pick<LedgerReader, 'query'> | undefined
  /** The latest change that the ledger knows of. */
  readonly recordedChange: number
  /** Records, durably, that keys of `before` are taken and count on from `change`. */
  readonly record: (detail: { readonly before: number; readonly change: number }) => Promise<void>
  /** Lets the keys be opened from here on. */
  readonly accept: () => Promise<void>
  /** Whether nothing is ended again. */
  readonly isAsIs: boolean
}

/**
 * Takes keys that are older than the ledger: ends again what was ended since, and lets them be
 * opened. Whenever it is killed, running it again does what is left: until the last step every
 * start is refused, and nothing is accepted without its record.
 *
 * Keys are ended in the order in which they were. Each takes a number, and none before it in the
 * order is as late as it was: so what is left has numbers behind those of the keys, at any moment.
 */
export async function restoreKeys(options: RestoreOptions): Promise<RestoredKeys> {
  const { store, ledger, recordedChange, record, accept, isAsIs } = options
  const before = (await store.readChanges(undefined)).cursor
  if (ledger === undefined || before >= recordedChange)
    return { isOlder: false, revoked: [], disabled: [], created: [], undone: [], notKnown: undefined }
  const { created, undone, notKnown, enabled, ended } = await findMissingChanges(
    ledger,
    before,
    recordedChange,
  )
  await record({ before, change: recordedChange })
  const again: EndedKey[] = []
  if (!isAsIs) for (const key of ended) if (await endAgain(options, key)) again.push(key)
  const disabledStill: string[] = []
  for (const id of enabled)
    if (((await store.findKey(id))?.disabledAt ?? null) !== null) disabledStill.push(`key ${id}`)
  await accept()
  const idsOf = (by: EndedKey['by']): readonly string[] =>
    again.filter((key) => key.by === by).map(({ id }) => id)
  return {
    isOlder: true,
    revoked: idsOf('revoked'),
    disabled: idsOf('disabled'),
    created,
    undone: [...new Set([...undone, ...disabledStill])],
    notKnown,
  }
}

/** Whether the key is there: one that was made after the backup is not. */
async function endAgain({ store, keys }: RestoreOptions, { id, by }: EndedKey): Promise<boolean> {
  if ((await store.findKey(id)) === undefined) return false
  const ending = keys.by(restorer)
  if (by === 'revoked') await ending.revoke(id, 'revoked before the keys were restored')
  else await ending.disable(id).catch(unlessRevoked)
  return true
}

function unlessRevoked(thrown: unknown): void {
  if (!(thrown instanceof Refusal)) throw thrown
}
