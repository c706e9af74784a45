import {
  checkpointType,
  isSigned,
  type LedgerCheckpoint,
  type SignedStatement,
  type StreamEnd,
  streamEndType,
  type TruncationPoint,
  truncationPointType,
} from '../format/checkpoint.ts'
import { timeMax } from '../query/record-view.ts'
import { parsePriorHead } from './prior-heads.ts'

/** What is wrong with a signed statement itself, whatever the chain says. */
export interface CheckpointFault {
  readonly kind: 'checkpoint_invalid' | 'key_untrusted'
  readonly message: string
}

/** Checks signatures, and remembers who made them. */
export interface CheckpointTrust {
  readonly faultOf: (signed: SignedStatement) => CheckpointFault | undefined
  /** The public keys that signed, each once, in the order in which they came. */
  readonly keys: () => readonly string[]
}

/** @param trusted public keys, raw, base64url; undefined: any */
export function createCheckpointTrust(trusted: readonly string[] | undefined): CheckpointTrust {
  const seen = new Set<string>()
  return {
    faultOf: (signed) => {
      if (!isSigned(signed)) return { kind: 'checkpoint_invalid', message: 'its signature does not fit' }
      if (trusted !== undefined && !trusted.includes(signed.key))
        return {
          kind: 'key_untrusted',
          message: `it is signed by the key ${signed.key}, which is not trusted`,
        }
      seen.add(signed.key)
      return undefined
    },
    keys: () => [...seen],
  }
}

/** Reads a checkpoint from parsed JSON; undefined for anything else, such as a truncation point. */
export function parseCheckpoint(value: unknown): LedgerCheckpoint | undefined {
  return parseAs(checkpointType, value)
}

/** Reads a truncation point from parsed JSON; undefined for anything else, such as a checkpoint. */
export function parseTruncationPoint(value: unknown): TruncationPoint | undefined {
  return parseAs(truncationPointType, value)
}

/**
 * Reads the end of a stream from parsed JSON; undefined for anything else. Each text that is signed
 * has one form only, so that a signature fits one statement only.
 */
export function parseStreamEnd(value: unknown): StreamEnd | undefined {
  const stated = parseAs(streamEndType, value)
  const { before, unclosed } = (value ?? {}) as Readonly<Record<string, unknown>>
  if (stated === undefined || !Array.isArray(before) || !Array.isArray(unclosed)) return undefined
  const areRead =
    before.every((text) => parsePriorHead(text) !== undefined) &&
    unclosed.every((id) => typeof id === 'string' && /^[0-9a-f]{32}$/.test(id))
  return areRead ? { ...stated, before, unclosed } : undefined
}

function parseAs<Type extends string>(
  expected: Type,
  value: unknown,
): (Omit<LedgerCheckpoint, 'type'> & { readonly type: Type }) | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { type, stream, seq, hash, at, key, signature } = value as Readonly<Record<string, unknown>>
  if (type !== expected || typeof stream !== 'string' || typeof hash !== 'string') return undefined
  if (
    !isCount(seq) ||
    !isCount(at) ||
    at > timeMax ||
    typeof key !== 'string' ||
    typeof signature !== 'string'
  )
    return undefined
  if (!/^[0-9a-f]{32}$/.test(stream) || !/^[0-9a-f]{64}$/.test(hash)) return undefined
  return { type: expected, stream, seq, hash, at, key, signature }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
