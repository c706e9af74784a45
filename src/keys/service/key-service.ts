import { type InputError, Refusal } from '../../core/refusal.ts'
import { withoutUndefined } from '../../core/without-undefined.ts'
import type { Idempotency } from '../../idempotency/answer-seal.ts'
import { shortenLimits } from '../../limits/limit-setting.ts'
import type { KeyAuthority } from '../authority/key-authority.ts'
import { detailOf, type KeyChangeEvent, keyChange } from '../fields/key-change.ts'
import {
  isLabel,
  type KeyFields,
  keyFieldErrors,
  labelLengthMax,
  namedOwnerErrors,
  refuseErrors,
  unknownFieldErrors,
} from '../fields/key-fields.ts'
import { readKeyTimes } from '../fields/key-times.ts'
import type { NewKey } from '../fields/new-key.ts'
import type { KeyRecord } from '../record/key-record.ts'
import { findKeyNames } from '../store/key-names.ts'
import type { KeyPage, KeyVersion } from '../store/key-store.ts'
import { changedMeanwhile, refuseRevoked, unknownKey } from './change-refusals.ts'
import { findImported, importKeys, type KeyServiceOptions, type NewImportedKey } from './import-keys.ts'
import {
  changeTriesMax,
  checkTarget,
  createKey,
  createKeys,
  type IssuedKey,
  isThere,
  type RotateOptions,
  rotateKey,
} from './issue-keys.ts'
import { type KeyListQuery, readListQuery } from './key-list-query.ts'
import { findOtherOwnerKey, losesOwnerKey } from './last-owner-key.ts'

/** Whether what would leave an owner without a key that manages its keys is done all the same. */
export interface ForceOptions {
  /** @default false */
  readonly force?: boolean
}

/**
 * Reads and changes keys. A call that resolves is durable and, if the ward has a ledger, recorded.
 *
 * @throws Refusal `not_found` for an unknown id; `input_invalid` with every fault at once;
 *   `key_conflict` for a change that the key's status does not allow; `idempotency_mismatch`
 * @throws Fault `store_unavailable`; `ledger_unavailable` if the change could not be recorded: its
 *   message says whether the change was made
 */
export interface KeyService {
  /**
   * The same service; its changes are recorded as made by this key id, or a name such as `cli`.
   *
   * @param authority what they may; the server bounds the keys that ask by their scopes
   */
  readonly by: (who: string, authority?: KeyAuthority) => KeyService
  readonly create: (key: NewKey, options?: { readonly idempotency?: Idempotency }) => Promise<IssuedKey>
  /**
   * Creates keys in one commit, all or none. `beforeAdd` gets them before they are in the store,
   * for example to save their texts first; if it throws, none is added.
   */
  readonly createAll: (
    keys: readonly NewKey[],
    beforeAdd?: (issued: readonly IssuedKey[]) => void,
  ) => Promise<readonly IssuedKey[]>
  /**
   * Gives the key a new secret under the same id. At most two are live: rotating again during an
   * overlap ends the oldest.
   */
  readonly rotate: (id: string, options?: RotateOptions) => Promise<IssuedKey>
  /** Imports keys by their hash, all or none. Refuses a hash that was ever imported before. */
  readonly import: (keys: readonly NewImportedKey[]) => Promise<readonly KeyRecord[]>
  /** The key that was imported by this SHA-256, in any encoding and with any status. */
  readonly findImported: (sha256: string) => Promise<KeyRecord | undefined>
  readonly get: (id: string) => Promise<KeyRecord>
  /**
   * Names of keys, by id; what is the id of no key, or of none of this owner, is left out.
   * @param owner whose keys. @default everyone's
   */
  readonly namesOf: (ids: Iterable<string>, owner?: string) => Promise<ReadonlyMap<string, string>>
  /** A page of keys. @default the newest 100 */
  readonly list: (query?: KeyListQuery) => Promise<KeyPage>
  readonly update: (id: string, changes: Partial<KeyFields>, options?: ForceOptions) => Promise<KeyRecord>
  readonly disable: (id: string, options?: ForceOptions) => Promise<KeyRecord>
  readonly enable: (id: string) => Promise<KeyRecord>
  /** Ends the key for good. Revoking it again changes nothing and returns the first reason. */
  readonly revoke: (id: string, reason?: string, options?: ForceOptions) => Promise<KeyRecord>
}

export function createKeyService(options: KeyServiceOptions): KeyService {
  const { store, clock, changes, authority } = options
  const get = (id: string): Promise<KeyRecord> => getKey(options, id)
  const change: MakeChange = (...made) => changeKey(options, ...made)

  return {
    by: (who, bounds) => createKeyService({ ...options, changes: changes.by(who), authority: bounds }),
    create: (key, { idempotency } = {}) => createKey(options, key, idempotency),
    createAll: (keys, beforeAdd = () => {}) => createKeys(options, keys, beforeAdd),
    rotate: (id, rotation = {}) => rotateKey(options, id, rotation, get),
    import: (keys) => importKeys(options, keys),
    findImported: (sha256) => findImported(options, sha256),
    get,
    namesOf: (ids, owner) => findKeyNames(store, ids, authority?.owner ?? owner),
    list: (query) => listKeys(options, query),
    async update(id, fields, force) {
      authority?.readFields(fields)
      const { times, errors } = readKeyTimes(fields, clock())
      const updated = (record: KeyRecord): KeyRecord => {
        refuseRevoked(record)
        const own = authority?.fieldsFor(record, fields) ?? fields
        const { changed, faults } = changeFields(record, own, times)
        refuseErrors([...faults, ...errors], ['body'])
        return changed
      }
      return change('key.updated', id, updated, force)
    },
    disable: (id, force) => {
      const disabled = (record: KeyRecord): KeyRecord => {
        refuseRevoked(record)
        return disableKey(record, authority?.owner !== undefined, clock())
      }
      return change('key.disabled', id, disabled, force)
    },
    enable: (id) =>
      change('key.enabled', id, (record) => {
        refuseRevoked(record)
        return record.disabledAt === null ? record : { ...record, disabledAt: null, isDisabledByOwner: false }
      }),
    async revoke(id, reason, force) {
      if (reason !== undefined && !isLabel(reason)) {
        const msg = `expected 1 to ${labelLengthMax} printable characters`
        throw new Refusal('input_invalid', undefined, {
          errors: [{ loc: ['body', 'reason'], msg, type: 'label' }],
        })
      }
      const revoked = (record: KeyRecord): KeyRecord =>
        record.revokedAt === null ? { ...record, revokedAt: clock(), revokedReason: reason ?? null } : record
      return change('key.revoked', id, revoked, force)
    },
  }
}

/** Whose keys alone are there may not learn of others that theirs cannot be told from. */
async function listKeys(
  { store, clock, authority }: KeyServiceOptions,
  asked: KeyListQuery | undefined,
): Promise<KeyPage> {
  const query = readListQuery(asked, clock())
  const { owner } = authority ?? {}
  if (owner === undefined) return store.listKeys(query)
  if (query.owner !== undefined && query.owner !== owner) return { keys: [], hasMore: false }
  const { keys, hasMore } = await store.listKeys({ ...query, owner })
  return { keys, hasMore }
}

async function getKey({ store, authority }: KeyServiceOptions, id: string): Promise<KeyRecord> {
  const record = await store.findKey(id)
  if (record === undefined || !isThere(authority, record)) throw unknownKey()
  return record
}

type MakeChange = (
  event: KeyChangeEvent,
  id: string,
  changed: (record: KeyRecord) => KeyRecord,
  options?: ForceOptions,
) => Promise<KeyRecord>

/** Reads the key, changes and writes it; starts over if another request was faster. */
async function changeKey(
  options: KeyServiceOptions,
  ...[event, id, changed, { force = false } = {}]: Parameters<MakeChange>
): Promise<KeyRecord> {
  const { store, clock, changes, authority } = options
  await changes.ensureWritable()
  for (let tries = 0; tries < changeTriesMax; tries += 1) {
    const before = await getKey(options, id)
    if (authority !== undefined) checkTarget(authority, event, before)
    const after = changed(before)
    if (after === before) return before
    const next = { ...after, version: before.version + 1, updatedAt: clock() }
    authority?.checkResult(event, before, next)
    const witness = force ? undefined : await findWitness(options, before, next)
    const { outcome } = await store.replaceKey(next, undefined, witness)
    if (outcome !== 'replaced') continue
    await changes.record([keyChange(event, next, detailOf(event, before, next))])
    return next
  }
  throw changedMeanwhile()
}

/** An operator makes what the owner disabled its own; the owner leaves what an operator did. */
function disableKey(record: KeyRecord, isDisabledByOwner: boolean, now: number): KeyRecord {
  if (record.disabledAt === null) return { ...record, disabledAt: now, isDisabledByOwner }
  return isDisabledByOwner || !record.isDisabledByOwner ? record : { ...record, isDisabledByOwner }
}

/**
 * Another key that manages its owner's keys, which must stay as it is until the change is made;
 * undefined where the change needs none.
 *
 * @throws Refusal `key_conflict` if there is no other
 */
async function findWitness(
  { store, clock, authority }: KeyServiceOptions,
  before: KeyRecord,
  after: KeyRecord,
): Promise<KeyVersion | undefined> {
  if (authority?.keepsOwnerKey !== true || !losesOwnerKey(before, after, clock())) return undefined
  return findOtherOwnerKey(store, before, clock())
}

/** The record with these fields, and every fault of them. An owner that stays is not looked at. */
function changeFields(
  record: KeyRecord,
  fields: Partial<KeyFields>,
  times: Partial<Pick<KeyRecord, 'notBefore' | 'expiresAt'>>,
): { readonly changed: KeyRecord; readonly faults: readonly InputError[] } {
  const { notBefore, expiresAt } = record
  const changed = { ...record, ...withoutUndefined(fields), notBefore, expiresAt, ...times }
  const owner = changed.owner === record.owner ? undefined : changed.owner
  return {
    changed: { ...changed, limits: changed.limits && shortenLimits(changed.limits) },
    faults: [...unknownFieldErrors(fields), ...keyFieldErrors(changed), ...namedOwnerErrors(owner)],
  }
}
