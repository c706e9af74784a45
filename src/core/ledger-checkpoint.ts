import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'

/** A signed statement of how far a stream has come: who keeps one can tell that later a tail was cut off, or a record rewritten. */
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
  /** The public key, raw, 32 bytes in base64url. It says who signed, not that they are to be trusted. */
  readonly key: string
  /** Ed25519 (RFC 8032) over `checkpointText`, 64 bytes in base64url. */
  readonly signature: string
}

export const checkpointType = 'modelward-checkpoint-1'

/** What is signed: five lines of ASCII, each ended by a line feed. */
function checkpointText({
  stream,
  seq,
  hash,
  at,
}: Pick<LedgerCheckpoint, 'stream' | 'seq' | 'hash' | 'at'>): string {
  return `${checkpointType}\n${stream}\n${seq}\n${hash}\n${at}\n`
}

/** Signs a checkpoint with an Ed25519 private key. */
export function signCheckpoint(
  stated: Pick<LedgerCheckpoint, 'stream' | 'seq' | 'hash' | 'at'>,
  privateKey: KeyObject,
): LedgerCheckpoint {
  const { stream, seq, hash, at } = stated
  const signature = sign(null, Buffer.from(checkpointText(stated)), privateKey).toString('base64url')
  return { type: checkpointType, stream, seq, hash, at, key: publicKeyOf(privateKey), signature }
}

/** Whether the signature is that of the key the checkpoint names; false for whatever is not a key or a signature. */
export function isSigned(checkpoint: LedgerCheckpoint): boolean {
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: checkpoint.key }, format: 'jwk' })
    return verify(
      null,
      Buffer.from(checkpointText(checkpoint)),
      key,
      Buffer.from(checkpoint.signature, 'base64url'),
    )
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
