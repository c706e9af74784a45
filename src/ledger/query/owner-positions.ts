import { createCipheriv, createDecipheriv, createHmac, type KeyObject } from 'node:crypto'
import { formatPosition, type LedgerPosition, parsePosition, readPosition } from '../format/position.ts'

/**
 * Positions as the keys of one owner see them. Real ones count the blocks and records of everyone:
 * two of them would tell an owner how much all others wrote in between.
 */
export interface OwnerPositions {
  /** The opaque text of a record's position, the same one each time. */
  readonly hide: (position: string) => string
  /** The position behind a text that this owner was given; undefined for any other text. */
  readonly show: (text: string) => string | undefined
}

/** One block of AES: block 8 bytes, index 4, and 4 of zeros, which tell a text that we gave. */
const textBytes = 16
const indexAt = 8
const zerosAt = 12

/** 16 bytes in base64url; four bits of the last character are 0: a position has one text. */
const pattern = /^[\w-]{21}[AQgw]$/

/**
 * Hides positions by a permutation of each owner's own: one block of AES-256 under a key bound to
 * the owner. No two positions have the same text, and neither order nor distance is left in it. A
 * record keeps its text through restarts and on all servers that share the key.
 *
 * @param key of the deployment, for this purpose alone
 */
export function createOwnerPositions(key: KeyObject): (owner: string) => OwnerPositions {
  return function ofOwner(owner) {
    const ownKey = createHmac('sha256', key).update(owner).digest()
    return {
      hide: (position) => encrypt(ownKey, readPosition(position)).toString('base64url'),
      show(text) {
        if (!pattern.test(text)) return undefined
        const position = decrypt(ownKey, Buffer.from(text, 'base64url'))
        return position && formatPosition(position)
      },
    }
  }
}

// ECB is the bare permutation: with one block there is no second one that could look like it.
const cipherName = 'aes-256-ecb'

function encrypt(key: Buffer, { block, index }: LedgerPosition): Buffer {
  const plain = Buffer.alloc(textBytes)
  plain.writeBigUInt64BE(BigInt(block))
  plain.writeUInt32BE(index, indexAt)
  return createCipheriv(cipherName, key, null).setAutoPadding(false).update(plain)
}

function decrypt(key: Buffer, text: Buffer): LedgerPosition | undefined {
  const plain = createDecipheriv(cipherName, key, null).setAutoPadding(false).update(text)
  if (plain.readUInt32BE(zerosAt) !== 0) return undefined
  const position = { block: Number(plain.readBigUInt64BE()), index: plain.readUInt32BE(indexAt) }
  return parsePosition(formatPosition(position)) && position
}
