import { Fault } from '../../core/fault.ts'
import { Refusal } from '../../core/refusal.ts'
import { durationInputForms, type OverlapOptions, oneOverlap, readOverlap } from '../../core/time.ts'
import { createAnswerSeal, type Idempotency } from '../../idempotency/answer-seal.ts'
import { type CommitOutcome, commitOnce } from '../../idempotency/commit-once.ts'
import type { StoredAnswer } from '../../idempotency/idempotency-store.ts'
import { refuseOlderSecret } from '../authority/authority-of.ts'
import type { KeyAuthority } from '../authority/key-authority.ts'
import { type KeyChangeEvent, keyChange } from '../fields/key-change.ts'
import { refuseErrors } from '../fields/key-fields.ts'
import { drawKey, drawKeyId, type NewKey, newKeyRecord } from '../fields/new-key.ts'
import type { KeyRecord, SecretRecord } from '../record/key-record.ts'
import { keyStatusAt } from '../record/key-status.ts'
import type { OwnerKeysBound } from '../store/key-store.ts'
import { changedMeanwhile, refuseRevoked, unknownKey } from './change-refusals.ts'
import type { KeyServiceOptions } from './import-keys.ts'

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
 * How many secrets of a key are stored, ended ones included: their callers learn that the secret
 * was replaced.
 */
const secretsStoredMax = 5

/** How often a change is tried again if another request changed the key in between. */
export const changeTriesMax = 8

/**
 * How many keys of an owner that makes its own are stored for each that it may have: revoked ones
 * stay, and the statement that counts them must end.
 */
const storedForEachMax = 50

/** A new key with defaults for what is left out, not in the store yet. */
function drawIssuedKey(options: KeyServiceOptions, key: NewKey): IssuedKey {
  const id = drawKeyId()
  const format = { ...options.format, environment: key.environment ?? options.format.environment }
  const now = options.clock()
  const { text, secret } = drawKey(format, id, options.peppers, now)
  const allowed = options.authority?.readNew(key) ?? key
  const { record, errors } = newKeyRecord(options.format, id, allowed, secret, false)
  refuseErrors(errors, ['body'])
  options.authority?.checkResult('key.created', undefined, record)
  return { record, text }
}

/** Creates keys in one commit, all or none. */
export async function createKeys(
  options: KeyServiceOptions,
  keys: readonly NewKey[],
  beforeAdd: (issued: readonly IssuedKey[]) => void,
): Promise<readonly IssuedKey[]> {
  await options.changes.ensureWritable()
  const bound = boundOf(options.authority)
  for (;;) {
    const issued = keys.map((key) => drawIssuedKey(options, key))
    beforeAdd(issued)
    const records = issued.map(({ record }) => record)
    const { outcome } = await options.store.addKeys(records, undefined, bound)
    if (outcome === 'full') throw ownerFull(bound?.liveMax)
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
  const { store, clock, changes, peppers, authority } = options
  await changes.ensureWritable()
  return commitOnce(
    { store, clock, seal: createAnswerSeal(peppers, clock) },
    apart(idempotency, authority),
    (sealAnswer) => issue(({ record, text }) => sealAnswer(`${record.id} ${text}`)),
    async (sealed) => {
      const [id = '', text = ''] = sealed.split(' ')
      const record = await store.findKey(id)
      if (record === undefined)
        throw new Fault('internal', `the answer for key ${id} is stored, but not the key`)
      // It may have become another owner's since, or reach further.
      if (authority !== undefined) checkTarget(authority, 'key.rotated', record)
      // A retry changes nothing, but hands out the text again; the first time may not be recorded.
      await changes.record([keyChange(event, record, { repeated: true })])
      return { record, text }
    },
  )
}

/**
 * Idempotency keys of one asking key, where others of its owner may reach further: with theirs it
 * would get the keys that they were given. No idempotency key has a space.
 */
function apart(
  idempotency: Idempotency | undefined,
  authority: KeyAuthority | undefined,
): Idempotency | undefined {
  if (idempotency === undefined || authority?.isApart !== true) return idempotency
  return { ...idempotency, key: `${authority.asker.key.id} ${idempotency.key}` }
}

/**
 * Refuses a key that is not there for who asks, or that they may not do this to.
 *
 * @throws Refusal `not_found`; `scope_missing`
 */
export function checkTarget(authority: KeyAuthority, event: KeyChangeEvent, record: KeyRecord): void {
  if (!isThere(authority, record)) throw unknownKey()
  authority.checkTarget(event, record)
}

/** Whether a key is there for who asks. */
export function isThere(authority: KeyAuthority | undefined, { owner }: KeyRecord): boolean {
  return (authority?.owner ?? owner) === owner
}

/** Creates a key. */
export function createKey(
  options: KeyServiceOptions,
  key: NewKey,
  idempotency: Idempotency | undefined,
): Promise<IssuedKey> {
  return issueOnce(options, 'key.created', idempotency, async (sealAnswer) => {
    const bound = boundOf(options.authority)
    for (;;) {
      const issued = drawIssuedKey(options, key)
      const added = await options.store.addKeys([issued.record], sealAnswer(issued), bound)
      if (added.outcome === 'answered') return added
      if (added.outcome === 'full') throw ownerFull(bound?.liveMax)
      if (added.outcome === 'taken') continue
      await options.changes.record([keyChange('key.created', issued.record)])
      return { outcome: 'committed', result: issued }
    }
  })
}

function boundOf(authority: KeyAuthority | undefined): OwnerKeysBound | undefined {
  if (authority?.owner === undefined || authority.ownerKeysMax === undefined) return undefined
  const { owner, ownerKeysMax: liveMax } = authority
  return { owner, liveMax, storedMax: liveMax * storedForEachMax }
}

function ownerFull(liveMax: number | undefined): Refusal {
  return new Refusal(
    'key_conflict',
    `This owner has the ${liveMax} keys that it may have, or ${storedForEachMax} times as many with those that it revoked: revoke one, or ask the operator.`,
  )
}

/** Another number would be stored as an end that no clock reaches: the old secret would work on. */
function overlapOf(rotation: RotateOptions): number {
  const overlapMs = readOverlap(rotation) ?? 0
  const msg = `expected ${durationInputForms}, at most a hundred years; ${oneOverlap}`
  if (Number.isNaN(overlapMs)) refuseErrors([{ loc: ['overlap'], msg, type: 'duration' }], ['body'])
  return overlapMs
}

/** Gives a key a new secret. */
export async function rotateKey(
  options: KeyServiceOptions,
  id: string,
  { idempotency, ...rotation }: RotateOptions,
  get: (id: string) => Promise<KeyRecord>,
): Promise<IssuedKey> {
  const overlapMs = overlapOf(rotation)
  return issueOnce(options, 'key.rotated', idempotency, async (sealAnswer) => {
    for (let tries = 0; tries < changeTriesMax; tries += 1) {
      const before = await get(id)
      if (options.authority !== undefined) {
        refuseOlderSecret(options.authority.asker, before)
        checkTarget(options.authority, 'key.rotated', before)
      }
      const issued = drawRotatedKey(options, before, overlapMs)
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
