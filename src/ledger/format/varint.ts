/**
 * Writes an unsigned LEB128: seven bits a byte, the lowest first, all bytes but the last with the
 * high bit set.
 *
 * @returns where it ends
 * @throws TypeError for a number that is not a whole one from 0 to 2^53 - 1
 */
export function writeVarint(target: Uint8Array | number[], start: number, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new TypeError(`ledger: expected a whole number from 0 on, got ${value}`)
  let at = start
  let rest = value
  while (rest > 0x7f) {
    target[at++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  target[at++] = rest
  return at
}

/**
 * Reads unsigned LEB128. An object, so that a read allocates nothing: `at` is its second result.
 */
export class VarintReader {
  /** Where the last varint ended. */
  at = 0

  /** -1 if the bytes end first. A number beyond 2^53 comes out inexact, infinite or NaN. */
  read(bytes: Uint8Array, start: number, end: number): number {
    let value = 0
    let scale = 1
    for (let at = start; at < end; scale *= 128) {
      const byte = bytes[at++] ?? 0
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        this.at = at
        return value
      }
    }
    return -1
  }
}
