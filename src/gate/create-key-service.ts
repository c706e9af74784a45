import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import type { KeyRecord, SecretRecord } from '../core/key-record.ts'
import type { IdempotentAnswer, KeyStore } from '../core/key-store.ts'
import type { KeyFormat } from '../core/key-text.ts'
import { Refusal } from '../core/refusal.ts'
import { defaultScope } from '../core/scope.ts'
import { standingOf } from '../core/standing.ts'
import { createSecretRecord, drawKey, drawKeyId } from './draw-key.ts'
import { type AnswerSeal, createAnswerSeal, type Idempotency } from './idempotency.ts'
import { checkKeyFields, isLabel, labelLengthMax } from './key-fields.ts'
import type { IssuedKey, KeyService, NewImportedKey, NewKey, RotateOptions } from './key-service.ts'
import { shortenLimits } from './limit-texts.ts'
import { parseSha256 } from './parse-sha256.ts'
import type { Peppers } from './pepper.ts'

export interface KeyServiceOptions {
  readonly store: KeyStore
  readonly peppers: Peppers
  readonly format: KeyFormat
  readonly clock: Clock
}

/** How many secrets of a key are kept, the ended ones among them, so that their callers can be told that they were replaced. */
const secretsKeptMax = 5

/** How often a change is tried again when somebody else changed the same key in between. */
const changeTriesMax = 8

export function createKeyService(options: KeyServiceOptions): KeyService {
  const { store, clock } = options
  const answers = createAnswerSeal(options.peppers, clock)

  async function get(id: string): Promise<KeyRecord> {
    const record = await store.findKey(id)
    if (record === undefined) throw new Refusal('not_found', 'No key has this id.')
    return record
  }

  /** Reads the key, makes the change and writes it unless somebody else was faster; then from the start. */
  async function change(id: string, changed: (record: KeyRecord) => KeyRecord): Promise<KeyRecord> {
    for (let tries = 0; tries < changeTriesMax; tries += 1) {
      const before = await get(id)
      const after = changed(before)
      if (after === before) return before
      const next = { ...after, version: before.version + 1, updatedAt: clock() }
      const { outcome } = await store.replaceKey(next)
      if (outcome === 'replaced') return next
    }
    throw new Refusal('key_conflict', 'The key was changed by somebody else at the same time; try again.')
  }

  return {
    create: (key, { idempotency } = {}) => createKey(options, answers, key, idempotency),
    createAll: (keys, beforeAdd = () => {}) => createKeys(options, keys, beforeAdd),
    rotate: (id, rotation = {}) => rotateKey(options, answers, id, rotation, get),
    import: (keys) => importKeys(options, keys),
    findImported: (sha256) => findImported(options, sha256),
    get,
    list: (query) => store.listKeys({ sort: 'created_at', descending: true, limit: 100, ...query }),
    update: (id, changes) =>
      change(id, (record) => {
        refuseRevoked(record)
        const changed = { ...record, ...changes }
        checkKeyFields(changed, ['body'])
        return { ...changed, limits: changed.limits && shortenLimits(changed.limits) }
      }),
    disable: (id) =>
      change(id, (record) => {
        refuseRevoked(record)
        return record.disabledAt === null ? { ...record, disabledAt: clock() } : record
      }),
    enable: (id) =>
      change(id, (record) => {
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
      return change(id, (record) =>
        record.revokedAt === null ? { ...record, revokedAt: clock(), revokedReason: reason ?? null } : record,
      )
    },
  }
}

function refuseRevoked(record: KeyRecord): void {
  if (record.revokedAt !== null) throw new Refusal('key_conflict', 'The key is revoked, and that is final.')
}

/** A record from what was asked for, with the defaults. A key without an owner is its own owner. */
function createRecord(
  options: KeyServiceOptions,
  id: string,
  key: NewKey,
  secret: SecretRecord,
  imported: boolean,
): KeyRecord {
  return {
    id,
    version: 1,
    name: key.name,
    owner: key.owner ?? id,
    environment: key.environment ?? options.format.environment,
    scopes: key.scopes ?? [defaultScope],
    metadata: key.metadata ?? {},
    addresses: key.addresses ?? [],
    limits: key.limits ? shortenLimits(key.limits) : null,
    secrets: [secret],
    imported,
    createdAt: secret.createdAt,
    updatedAt: secret.createdAt,
    notBefore: key.notBefore ?? null,
    expiresAt: key.expiresAt ?? null,
    disabledAt: null,
    revokedAt: null,
    revokedReason: null,
  }
}

/** A key with the defaults where nothing was asked for, not in the store yet. */
function drawIssuedKey(options: KeyServiceOptions, key: NewKey): IssuedKey {
  const id = drawKeyId()
  const format = { ...options.format, environment: key.environment ?? options.format.environment }
  const now = options.clock()
  const { text, secret } = drawKey(format, id, options.peppers, now)
  const record = createRecord(options, id, key, secret, false)
  checkKeyFields(record, ['body'], now)
  return { record, text }
}

async function createKeys(
  options: KeyServiceOptions,
  keys: readonly NewKey[],
  beforeAdd: (issued: readonly IssuedKey[]) => void,
): Promise<readonly IssuedKey[]> {
  for (;;) {
    const issued = keys.map((key) => drawIssuedKey(options, key))
    beforeAdd(issued)
    const { outcome } = await options.store.addKeys(issued.map(({ record }) => record))
    if (outcome === 'added') return issued
  }
}

async function createKey(
  options: KeyServiceOptions,
  answers: AnswerSeal,
  key: NewKey,
  idempotency: Idempotency | undefined,
): Promise<IssuedKey> {
  const earlier = await findIssued(options, answers, idempotency)
  if (earlier !== undefined) return earlier
  for (;;) {
    const { record, text } = drawIssuedKey(options, key)
    const added = await options.store.addKeys(
      [record],
      idempotency && answers.seal(idempotency, sealedText(record.id, text)),
    )
    if (added.outcome === 'added') return { record, text }
    // The same request, under way at once, was faster: its answer is the answer.
    if (added.outcome === 'answered') return openIssued(options, answers, idempotency, added.answer)
  }
}

async function rotateKey(
  options: KeyServiceOptions,
  answers: AnswerSeal,
  id: string,
  { overlapMs = 0, idempotency }: RotateOptions,
  get: KeyService['get'],
): Promise<IssuedKey> {
  const earlier = await findIssued(options, answers, idempotency)
  if (earlier !== undefined) return earlier
  for (let tries = 0; tries < changeTriesMax; tries += 1) {
    const before = await get(id)
    const now = options.clock()
    refuseRotation(before, now)
    const { text, secret } = drawKey(
      { ...options.format, environment: before.environment },
      id,
      options.peppers,
      now,
    )
    const record = {
      ...before,
      version: before.version + 1,
      updatedAt: now,
      // The new text is ours, id and all, whatever the old one was; old imported ones are still found by their digest.
      secrets: [secret, ...endSecrets(before, now, overlapMs)].slice(0, secretsKeptMax),
    }
    const sealed = idempotency && answers.seal(idempotency, sealedText(id, text))
    const replaced = await options.store.replaceKey(record, sealed)
    if (replaced.outcome === 'replaced') return { record, text }
    if (replaced.outcome === 'answered') return openIssued(options, answers, idempotency, replaced.answer)
  }
  throw new Refusal('key_conflict', 'The key was changed by somebody else at the same time; try again.')
}

function refuseRotation(record: KeyRecord, now: number): void {
  refuseRevoked(record)
  if (standingOf(record, now) === 'expired')
    throw new Refusal('key_conflict', 'The key has expired; give it a later expiry first.')
}

/** The secrets a rotation replaces: the current one lives on for the overlap, but not past the key; any older one ends. */
function endSecrets(record: KeyRecord, now: number, overlapMs: number): readonly SecretRecord[] {
  return record.secrets.map((secret, index) => {
    const endsAt = index === 0 ? Math.min(now + overlapMs, record.expiresAt ?? Number.POSITIVE_INFINITY) : now
    return { ...secret, endsAt: Math.min(secret.endsAt ?? endsAt, endsAt) }
  })
}

async function findImported(
  { peppers, store }: KeyServiceOptions,
  sha256: string,
): Promise<KeyRecord | undefined> {
  const hex = parseSha256(sha256)
  if (hex === undefined) return undefined
  return store.findImportedKey(peppers.versions.flatMap((version) => peppers.digest(hex, version) ?? []))
}

async function importKeys(
  options: KeyServiceOptions,
  keys: readonly NewImportedKey[],
): Promise<readonly KeyRecord[]> {
  const now = options.clock()
  const records = keys.map((key, index) => {
    const sha256 = parseSha256(key.sha256)
    if (sha256 === undefined) {
      const msg = 'expected the SHA-256 of the key: 64 hex characters, or 32 bytes in base64 or base64url'
      throw new Refusal('input_invalid', undefined, {
        errors: [{ loc: ['body', index, 'sha256'], msg, type: 'sha256' }],
      })
    }
    const secret = createSecretRecord(sha256, options.peppers, now)
    const record = createRecord(options, drawKeyId(), key, secret, true)
    checkKeyFields(record, ['body', index])
    return record
  })
  // The store sees a hash again only under the same pepper.
  let isTaken = false
  for (const { sha256 } of keys) isTaken ||= (await findImported(options, sha256)) !== undefined
  if (isTaken || (await options.store.addKeys(records)).outcome === 'taken')
    throw new Refusal('key_conflict', 'One of these keys has been imported before, or is there twice.')
  return records
}

/** What is sealed for a retry: which key, and its text; the record is read again. */
function sealedText(id: string, text: string): string {
  return `${id} ${text}`
}

async function findIssued(
  options: KeyServiceOptions,
  answers: AnswerSeal,
  idempotency: Idempotency | undefined,
): Promise<IssuedKey | undefined> {
  if (idempotency === undefined) return undefined
  const kept = await options.store.findAnswer(answers.idOf(idempotency), options.clock())
  return kept && openIssued(options, answers, idempotency, kept)
}

async function openIssued(
  { store }: KeyServiceOptions,
  answers: AnswerSeal,
  idempotency: Idempotency | undefined,
  kept: IdempotentAnswer,
): Promise<IssuedKey> {
  if (idempotency === undefined)
    throw new Fault('internal', 'the store answered a request that named no answer')
  const [id = '', text = ''] = answers.open(kept, idempotency).split(' ')
  const record = await store.findKey(id)
  if (record === undefined)
    throw new Fault('internal', `an answer was kept for key ${id}, which is not there`)
  return { record, text }
}
