import { Fault } from '../core/fault.ts'
import { type InputError, Refusal } from '../core/refusal.ts'
import { durationInputForms, type OverlapOptions, oneOverlap, readOverlap } from '../core/time.ts'
import { withoutUndefined } from '../core/without-undefined.ts'
import { createAnswerSeal, type Idempotency } from '../idempotency/answer-seal.ts'
import { type CommitOutcome, commitOnce } from '../idempotency/commit-once.ts'
import type { StoredAnswer } from '../idempotency/idempotency-store.ts'
import { shortenLimits } from '../limits/limit-setting.ts'
import { findImported, importKeys, type KeyServiceOptions, type NewImportedKey } from './import-keys.ts'
import { detailOf, type KeyChangeEvent, keyChange } from './key-change.ts'
import {
  isLabel,
  type KeyFields,
  keyFieldErrors,
  labelLengthMax,
  namedOwnerErrors,
  refuseErrors,
  unknownFieldErrors,
} from './key-fields.ts'
import { type KeyListQuery, readListQuery } from './key-list-query.ts'
import { findKeyNames } from './key-names.ts'
import type { KeyRecord, SecretRecord } from './key-record.ts'
import { keyStatusAt } from './key-status.ts'
import type { KeyPage } from './key-store.ts'
import { readKeyTimes } from './key-times.ts'
import { drawKey, drawKeyId, type NewKey, newKeyRecord } from './new-key.ts'

/** A key that was just created or rotated: the only time that its text is known. */
export interface IssuedKey {
  readonly record: KeyRecord
  readonly text: string
}

/**
 * How a key is rotated. The overlap, 0 unless it is given, is how long the old secret stays valid,
 * at most until the key expires.
 */
export interface RotateOptions extends OverlapOptions {
  readonly idempotency?: Idempotency | undefined
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
  /** The same service; its changes are recorded as made by this key id, or a name such as `cli`. */
  readonly by: (who: string) => KeyService
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
  /** Names of keys, by id; what is the id of no key is left out. */
  readonly namesOf: (ids: Iterable<string>) => Promise<ReadonlyMap<string, string>>
  /** A page of keys. @default the newest 100 */
  readonly list: (query?: KeyListQuery) => Promise<KeyPage>
  readonly update: (id: string, changes: Partial<KeyFields>) => Promise<KeyRecord>
  readonly disable: (id: string) => Promise<KeyRecord>
  readonly enable: (id: string) => Promise<KeyRecord>
  /** Ends the key for good. Revoking it again changes nothing and returns the first reason. */
  readonly revoke: (id: string, reason?: string) => Promise<KeyRecord>
}

/**
 * How many secrets of a key are stored, ended ones included: their callers learn that the secret
 * was replaced.
 */
const secretsStoredMax = 5

/** How often a change is tried again if another request changed the key in between. */
const changeTriesMax = 8

export function createKeyService(options: KeyServiceOptions): KeyService {
  const { store, clock, changes } = options

  async function get(id: string): Promise<KeyRecord> {
    const record = await store.findKey(id)
    if (record === undefined) throw unknownKey()
    return record
  }

  /** Reads the key, changes and writes it; starts over if another request was faster. */
  async function change(
    event: KeyChangeEvent,
    id: string,
    changed: (record: KeyRecord) => KeyRecord,
  ): Promise<KeyRecord> {
    await changes.ensureWritable()
    for (let tries = 0; tries < changeTriesMax; tries += 1) {
      const before = await get(id)
      const after = changed(before)
      if (after === before) return before
      const next = { ...after, version: before.version + 1, updatedAt: clock() }
      const { outcome } = await store.replaceKey(next)
      if (outcome !== 'replaced') continue
      await changes.record([keyChange(event, next, detailOf(event, before, next))])
      return next
    }
    throw changedMeanwhile()
  }

  return {
    by: (who) => createKeyService({ ...options, changes: changes.by(who) }),
    create: (key, { idempotency } = {}) => createKey(options, key, idempotency),
    createAll: (keys, beforeAdd = () => {}) => createKeys(options, keys, beforeAdd),
    rotate: (id, rotation = {}) => rotateKey(options, id, rotation, get),
    import: (keys) => importKeys(options, keys),
    findImported: (sha256) => findImported(options, sha256),
    get,
    namesOf: (ids) => findKeyNames(store, ids),
    list: async (query) => store.listKeys(readListQuery(query, clock())),
    update: (id, fields) => {
      const { times, errors } = readKeyTimes(fields, clock())
      return change('key.updated', id, (record) => {
        refuseRevoked(record)
        const { changed, faults } = changeFields(record, fields, times)
        refuseErrors([...faults, ...errors], ['body'])
        return changed
      })
    },
    disable: (id) =>
      change('key.disabled', id, (record) => {
        refuseRevoked(record)
        return record.disabledAt === null ? { ...record, disabledAt: clock() } : record
      }),
    enable: (id) =>
      change('key.enabled', id, (record) => {
        refuseRevoked(record)
        return record.disabledAt === null ? record : { ...record, disabledAt: null }
      }),
    async revoke(id, reason) {
      if (reason !== undefined && !isLabel(reason)) {
        const msg = `expected 1 to ${labelLengthMax} printable characters`
        throw new Refusal('input_invalid', undefined, {
          errors: [{ loc: ['body', 'reason'], msg, type: 'label' }],
        })
      }
      return change('key.revoked', id, (record) =>
        record.revokedAt === null ? { ...record, revokedAt: clock(), revokedReason: reason ?? null } : record,
      )
    },
  }
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

/** The refusal for an id that no key has. */
export function unknownKey(): Refusal {
  return new Refusal('not_found', 'No key has this id; list the keys to find it.')
}

function refuseRevoked(record: KeyRecord): void {
  if (record.revokedAt !== null) throw new Refusal('key_conflict', 'The key is revoked, and that is final.')
}

/** A new key with defaults for what is left out, not in the store yet. */
function drawIssuedKey(options: KeyServiceOptions, key: NewKey): IssuedKey {
  const id = drawKeyId()
  const format = { ...options.format, environment: key.environment ?? options.format.environment }
  const now = options.clock()
  const { text, secret } = drawKey(format, id, options.peppers, now)
  const { record, errors } = newKeyRecord(options.format, id, key, secret, false)
  refuseErrors(errors, ['body'])
  return { record, text }
}

async function createKeys(
  options: KeyServiceOptions,
  keys: readonly NewKey[],
  beforeAdd: (issued: readonly IssuedKey[]) => void,
): Promise<readonly IssuedKey[]> {
  await options.changes.ensureWritable()
  for (;;) {
    const issued = keys.map((key) => drawIssuedKey(options, key))
    beforeAdd(issued)
    const { outcome } = await options.store.addKeys(issued.map(({ record }) => record))
    if (outcome !== 'added') continue
    await options.changes.record(issued.map(({ record }) => keyChange('key.created', record)))
    return issued
  }
}

/** Creates or rotates a key once, and gives a retry the same key and text. */
async function issueOnce(
  options: KeyServiceOptions,
  event: 'key.created' | 'key.rotated',
  idempotency: Idempotency | undefined,
  issue: (sealAnswer: (issued: IssuedKey) => StoredAnswer | undefined) => Promise<CommitOutcome<IssuedKey>>,
): Promise<IssuedKey> {
  const { store, clock, changes, peppers } = options
  await changes.ensureWritable()
  return commitOnce(
    { store, clock, seal: createAnswerSeal(peppers, clock) },
    idempotency,
    (sealAnswer) => issue(({ record, text }) => sealAnswer(`${record.id} ${text}`)),
    async (sealed) => {
      const [id = '', text = ''] = sealed.split(' ')
      const record = await store.findKey(id)
      if (record === undefined)
        throw new Fault('internal', `the answer for key ${id} is stored, but not the key`)
      // A retry changes nothing, but hands out the text again; the first time may not be recorded.
      await changes.record([keyChange(event, record, { repeated: true })])
      return { record, text }
    },
  )
}

function createKey(
  options: KeyServiceOptions,
  key: NewKey,
  idempotency: Idempotency | undefined,
): Promise<IssuedKey> {
  return issueOnce(options, 'key.created', idempotency, async (sealAnswer) => {
    for (;;) {
      const issued = drawIssuedKey(options, key)
      const added = await options.store.addKeys([issued.record], sealAnswer(issued))
      if (added.outcome === 'answered') return added
      if (added.outcome === 'taken') continue
      await options.changes.record([keyChange('key.created', issued.record)])
      return { outcome: 'committed', result: issued }
    }
  })
}

/** Another number would be stored as an end that no clock reaches: the old secret would work on. */
function overlapOf(rotation: RotateOptions): number {
  const overlapMs = readOverlap(rotation) ?? 0
  const msg = `expected ${durationInputForms}, at most a hundred years; ${oneOverlap}`
  if (Number.isNaN(overlapMs)) refuseErrors([{ loc: ['overlap'], msg, type: 'duration' }], ['body'])
  return overlapMs
}

async function rotateKey(
  options: KeyServiceOptions,
  id: string,
  { idempotency, ...rotation }: RotateOptions,
  get: KeyService['get'],
): Promise<IssuedKey> {
  const overlapMs = overlapOf(rotation)
  return issueOnce(options, 'key.rotated', idempotency, async (sealAnswer) => {
    for (let tries = 0; tries < changeTriesMax; tries += 1) {
      const issued = drawRotatedKey(options, await get(id), overlapMs)
      const replaced = await options.store.replaceKey(issued.record, sealAnswer(issued))
      if (replaced.outcome === 'answered') return replaced
      if (replaced.outcome === 'stale') continue
      await options.changes.record([keyChange('key.rotated', issued.record, { overlap_ms: overlapMs })])
      return { outcome: 'committed', result: issued }
    }
    throw changedMeanwhile()
  })
}

/** The key with a new secret in front, not in the store yet. */
function drawRotatedKey(options: KeyServiceOptions, before: KeyRecord, overlapMs: number): IssuedKey {
  const now = options.clock()
  refuseRotation(before, now)
  const format = { ...options.format, environment: before.environment }
  const { text, secret } = drawKey(format, before.id, options.peppers, now)
  const record = {
    ...before,
    version: before.version + 1,
    updatedAt: now,
    // The new text contains the id; an old imported one is still found by its digest.
    secrets: [secret, ...endSecrets(before, now, overlapMs)].slice(0, secretsStoredMax),
  }
  return { record, text }
}

function changedMeanwhile(): Refusal {
  return new Refusal('key_conflict', 'The key was changed by another request at the same time; try again.')
}

function refuseRotation(record: KeyRecord, now: number): void {
  refuseRevoked(record)
  if (keyStatusAt(record, now) === 'expired')
    throw new Refusal('key_conflict', 'The key has expired; give it a later expiry first.')
}

/**
 * The secrets that a rotation replaces. The current one stays valid for the overlap, at most until
 * the key expires; older ones end.
 */
function endSecrets(record: KeyRecord, now: number, overlapMs: number): readonly SecretRecord[] {
  return record.secrets.map((secret, index) => {
    const endsAt = index === 0 ? Math.min(now + overlapMs, record.expiresAt ?? Number.POSITIVE_INFINITY) : now
    return { ...secret, endsAt: Math.min(secret.endsAt ?? endsAt, endsAt) }
  })
}
