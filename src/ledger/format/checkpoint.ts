import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'

/**
 * A signed statement of how far a stream has come. A copy stored elsewhere shows later that a tail
 * was cut off, or a record rewritten.
 */
export interface LedgerCheckpoint {
  /** Always `modelward-checkpoint-1`. */
  readonly type: typeof checkpointType
  /** 32 hex digits. */
  readonly stream: string
  /** The last record that it vouches for. */
  readonly seq: number
  /** The chain at that record, 64 hex digits. */
  readonly hash: string
  /** Milliseconds since the epoch. */
  readonly at: number
  /** The public key, raw, 32 bytes in base64url. It says who signed, not whether to trust them. */
  readonly key: string
  /** Ed25519 (RFC 8032) over `checkpointText`, 64 bytes in base64url. */
  readonly signature: string
}

/**
 * A signed statement of the last record that retention dropped, from which the rest is verified.
 * The type is signed too. Checkpoints are public: if one could pass for a truncation point, an
 * attacker who can write the file could remove the records before it and put it in their place.
 */
export interface TruncationPoint extends Omit<LedgerCheckpoint, 'type'> {
  /** Always `modelward-base-1`. */
  readonly type: typeof truncationPointType
}

/** What a stream states of those before it. */
export interface PriorHeads {
  /**
   * The heads of the streams written last, each `stream:seq:hash`: one that is cut off later is
   * missed.
   */
  readonly before: readonly string[]
  /** Those of them without an end: their process was killed, or still runs. */
  readonly unclosed: readonly string[]
}

/**
 * A signed statement, in the record that ends a stream, of how far the stream has come before it,
 * and how far others had. The latter is signed too, since no later record covers it. A type of its
 * own: a checkpoint, which is public, must not end a stream where it suits an attacker.
 */
export interface StreamEnd extends Omit<LedgerCheckpoint, 'type'>, PriorHeads {
  /** Always `modelward-end-1`. */
  readonly type: typeof streamEndType
}

export const checkpointType = 'modelward-checkpoint-1'
export const truncationPointType = 'modelward-base-1'
export const streamEndType = 'modelward-end-1'

/** Any of them. */
export type SignedStatement = LedgerCheckpoint | TruncationPoint | StreamEnd

/** What is signed, besides the type. */
export type SignedHead = Pick<LedgerCheckpoint, 'stream' | 'seq' | 'hash' | 'at'>

/**
 * What is signed: five lines of ASCII, each ended by a line feed. Those of a stream's end are
 * followed by one for each text of `before`, and then of `unclosed`, which look different.
 */
function checkpointText(type: string, { stream, seq, hash, at }: SignedHead, prior?: PriorHeads): string {
  const more = prior === undefined ? [] : [...prior.before, ...prior.unclosed]
  return [type, stream, seq, hash, at, ...more, ''].join('\n')
}

/** Signs a checkpoint with an Ed25519 private key. */
export function signCheckpoint(stated: SignedHead, privateKey: KeyObject): LedgerCheckpoint {
  return signAs(checkpointType, stated, privateKey)
}

/** Signs a truncation point with an Ed25519 private key. */
export function signTruncationPoint(stated: SignedHead, privateKey: KeyObject): TruncationPoint {
  return signAs(truncationPointType, stated, privateKey)
}

/** Signs the end of a stream with an Ed25519 private key. */
export function signStreamEnd(stated: SignedHead & PriorHeads, privateKey: KeyObject): StreamEnd {
  const { before, unclosed } = stated
  return { ...signAs(streamEndType, stated, privateKey, stated), before, unclosed }
}

function signAs<Type extends string>(
  type: Type,
  stated: SignedHead,
  privateKey: KeyObject,
  prior?: PriorHeads,
) {
  const { stream, seq, hash, at } = stated
  const text = Buffer.from(checkpointText(type, stated, prior))
  const signature = sign(null, text, privateKey).toString('base64url')
  return { type, stream, seq, hash, at, key: publicKeyOf(privateKey), signature }
}

/**
 * Whether the signature fits the key and the type that are named; false too for a malformed one.
 */
export function isSigned(signed: SignedStatement): boolean {
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: signed.key }, format: 'jwk' })
    const prior = signed.type === streamEndType ? signed : undefined
    const text = Buffer.from(checkpointText(signed.type, signed, prior))
    return verify(null, text, key, Buffer.from(signed.signature, 'base64url'))
  } catch {
    return false
  }
}

/** The raw public key of an Ed25519 key, 32 bytes in base64url. */
export function publicKeyOf(key: KeyObject): string {
  const { x } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' })
  if (x === undefined) throw new TypeError('expected an Ed25519 key')
  return x
}
