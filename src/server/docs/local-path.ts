/** Only its origin matters, and only to see whether a path leaves it. */
const base = 'http://local.invalid'

/**
 * The path to send a browser back to after it signed in, if it stays on this server; `/` for anything else. Browsers drop tabs
 * and read backslashes as slashes, so what is checked, and sent, is what they would make of it.
 */
export function localPath(text: unknown): string {
  if (typeof text !== 'string' || !text.startsWith('/') || !URL.canParse(text, base)) return '/'
  const { origin, pathname, search } = new URL(text, base)
  // `/.//example.com` is on this origin and becomes `//example.com`, which is not.
  return origin === base && !pathname.startsWith('//') ? pathname + search : '/'
}
