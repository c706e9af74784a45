/** Reads a SHA-256 digest written in hex, base64 or base64url, padded or not; gives it in lower-case hex, undefined for anything else. */
export function parseSha256(text: string): string | undefined {
  if (/^[0-9A-Fa-f]{64}$/.test(text)) return text.toLowerCase()
  if (!/^(?:[0-9A-Za-z+/]{43}|[0-9A-Za-z_-]{43})=?$/.test(text)) return undefined
  // 43 characters are 258 bits, of which the last two are nobody's.
  return Buffer.from(text, 'base64').toString('hex')
}
