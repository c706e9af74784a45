/** The 62 characters of a key's random text, by value: digits, capitals, small letters. */
export const base62Alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/**
 * Largest multiple of 62 in a byte. Bytes from here on are rejected, so that all characters are
 * equally likely.
 */
const acceptedBelow = 248

/**
 * Reads `length` unbiased base62 characters from a source of random bytes, by rejection sampling.
 *
 * @param length characters wanted, 1 or more
 * @param randomBytes gives that many bytes from a cryptographically secure generator
 */
export function drawBase62(length: number, randomBytes: (size: number) => Uint8Array): string {
  let text = ''
  while (text.length < length) {
    // 248 of 256 bytes are accepted; a quarter more than needed makes a second round rare.
    for (const byte of randomBytes(Math.ceil((length - text.length) * 1.25))) {
      if (byte < acceptedBelow && text.length < length) text += base62Alphabet[byte % 62]
    }
  }
  return text
}

/** Writes an unsigned integer in base62, padded with `0` to `width` characters. */
export function formatBase62(value: number, width: number): string {
  let text = ''
  for (let rest = value; rest > 0; rest = Math.floor(rest / 62)) text = `${base62Alphabet[rest % 62]}${text}`
  return text.padStart(width, '0')
}
