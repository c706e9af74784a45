/** The cursor behind a page of owners, opaque to clients. */
export function formatOwnerCursor(owner: string): string {
  return Buffer.from(JSON.stringify(['owner', owner])).toString('base64url')
}

/** The owner that the page ended with; undefined for anything that is not such a cursor. */
export function parseOwnerCursor(text: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (!Array.isArray(parsed) || parsed.length !== 2 || parsed[0] !== 'owner') return undefined
    return typeof parsed[1] === 'string' ? parsed[1] : undefined
  } catch {
    return undefined
  }
}
