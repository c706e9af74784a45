/** What the URL of an upstream has to be. */
export const upstreamUrlForm = 'an http or https URL without user, query and fragment'

/**
 * The URL of an upstream, without a slash at its end; undefined for anything else. A user in it
 * would be a secret in a place where none belongs.
 */
export function readUpstreamUrl(text: string): string | undefined {
  if (text.length > 2_048 || !/^https?:\/\/[^\s\\?#@]+$/i.test(text)) return undefined
  if (!URL.canParse(text)) return undefined
  const { origin, pathname } = new URL(text)
  // `..` and the like have been resolved: what is left is what was written, or was no plain path.
  const rest = text.slice(text.indexOf('/', 'https://'.length))
  if (rest.startsWith('/') && rest !== pathname) return undefined
  let end = pathname.length
  while (pathname[end - 1] === '/') end -= 1
  return origin + pathname.slice(0, end)
}
