/** Block ids, rising, as the unsigned LEB128 of each one's distance from the one before. */
export function encodeIds(ids: readonly number[]): Uint8Array {
  const bytes: number[] = []
  let before = 0
  for (const id of ids) {
    let rest = id - before
    while (rest > 0x7f) {
      bytes.push((rest % 128) | 0x80)
      rest = Math.floor(rest / 128)
    }
    bytes.push(rest)
    before = id
  }
  return Uint8Array.from(bytes)
}

/** Undoes `encodeIds`. */
export function decodeIds(bytes: Uint8Array): number[] {
  const ids: number[] = []
  let id = 0
  let scale = 1
  for (const byte of bytes) {
    id += (byte & 0x7f) * scale
    if (byte >= 0x80) scale *= 128
    else {
      ids.push(id)
      scale = 1
    }
  }
  return ids
}

/** The same bytes as a buffer: it can read texts out of them. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
