/** Where a text stands in a pack: from which byte on, counted from 1 as SQL does, and how many. */
export interface PackedText {
  readonly at: number
  readonly size: number
}

/**
 * Texts on their way to the server as bytes, one behind the other: a list of texts would be quoted
 * and escaped by the driver, which takes tens of milliseconds for megabytes.
 */
export interface TextPack {
  readonly add: (bytes: Uint8Array) => PackedText
  readonly bytes: () => Buffer
}

export function createTextPack(): TextPack {
  const parts: Uint8Array[] = []
  let size = 0
  return {
    add(bytes) {
      parts.push(bytes)
      const at = size + 1
      size += bytes.length
      return { at, size: bytes.length }
    },
    bytes: () => Buffer.concat(parts),
  }
}

/** Bytes as SQL reads them in JSON. */
export function byteaText(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`
}
