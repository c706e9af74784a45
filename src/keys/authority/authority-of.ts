import { Refusal } from '../../core/refusal.ts'
import { adminScope, findReaching, keysOwnerScope, keysWriteScope } from '../../core/scope.ts'
import type { KeyRecord, SecretRecord } from '../record/key-record.ts'
import type { KeyAsker, KeyAuthority } from './key-authority.ts'
import { createOwnerBounds } from './owner-bounds.ts'

/** What administrators and the command line may: everything. */
function everything(asker: KeyAsker): KeyAuthority {
  return {
    asker,
    owner: undefined,
    isApart: false,
    ownerKeysMax: undefined,
    keepsOwnerKey: false,
    readNew: (key) => key,
    readFields: () => {},
    fieldsFor: (_record, fields) => fields,
    checkTarget: () => {},
    checkResult: () => {},
  }
}

/**
 * What a key may change, by its scopes.
 *
 * @param ownerKeysMax most keys of an owner that makes its own
 */
export function authorityOf(asker: KeyAsker, ownerKeysMax: number): KeyAuthority {
  const { scopes } = asker.key
  const all = everything(asker)
  if (scopes.includes(adminScope)) return all
  const withoutReach: KeyAuthority = {
    ...all,
    isApart: true,
    checkTarget: (_event, record) => refuseReaching(record.scopes),
    checkResult: (_event, _before, after) => refuseReaching(after.scopes),
  }
  if (scopes.includes(keysWriteScope)) return withoutReach
  if (!scopes.includes(keysOwnerScope)) throw lacking(keysOwnerScope)
  return { ...withoutReach, ...createOwnerBounds(asker, withoutReach), ownerKeysMax, keepsOwnerKey: true }
}

/** What a key may do with itself alone: a key that reaches further stays the one it is. */
export function authorityOverSelf(asker: KeyAsker): KeyAuthority {
  const { scopes, owner } = asker.key
  const isOwned = scopes.includes(keysOwnerScope)
  return { ...everything(asker), owner, isApart: true, keepsOwnerKey: isOwned }
}

/** Refuses to give, or to touch, what only an administrator may. */
function refuseReaching(scopes: readonly string[]): void {
  const reaching = findReaching(scopes)
  if (reaching !== undefined)
    throw new Refusal(
      'scope_missing',
      `Only an admin key gives a key the scope \`${reaching}\`, or changes a key that has it.`,
    )
}

function lacking(scope: string): Refusal {
  return new Refusal('scope_missing', `This API key lacks the scope \`${scope}\`.`)
}

/**
 * Refuses that a key is rotated by an older one of its secrets: one that was stolen must not
 * outlive the new one.
 */
export function refuseOlderSecret({ key, secret }: KeyAsker, record: KeyRecord): void {
  if (key.id !== record.id || placeOf(secret, record) === 0) return
  throw new Refusal(
    'key_conflict',
    'This secret has been replaced: only the newest secret of a key rotates it.',
  )
}

/** Where a secret stands among a key's, the newest first; -1 for one that is not there. */
export function placeOf(secret: SecretRecord | undefined, { secrets }: Pick<KeyRecord, 'secrets'>): number {
  if (secret === undefined) return -1
  const place = secrets.findIndex(({ digest }) => Buffer.compare(digest, secret.digest) === 0)
  if (place !== -1) return place
  // Under a new pepper it has another digest; of two of one moment it is taken for the older.
  return secrets.findLastIndex(({ createdAt }) => createdAt === secret.createdAt)
}
