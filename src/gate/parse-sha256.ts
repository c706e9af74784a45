const digestBytes = 32

/** Reads a SHA-256 digest written in hex, base64 or base64url, padded or not; undefined for anything else. */
export function parseSha256(text: string): Buffer | undefined {
  if (/^[0-9A-Fa-f]{64}$/.test(text)) return Buffer.from(text, 'hex')
  if (!/^(?:[0-9A-Za-z+/]{43}|[0-9A-Za-z_-]{43})=?$/.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === digestBytes ? bytes : undefined
}
