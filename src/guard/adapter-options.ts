import { describeValue, type OptionRule } from '../core/check-options.ts'

/** The paths of an app that are open to everyone. */
export interface PublicPaths {
  readonly has: (method: string, path: string) => boolean
}

interface PublicPath {
  /** Undefined: any. */
  readonly method: string | undefined
  readonly path: string
  /** Whether paths below it are public too, instead of itself. */
  readonly isPrefix: boolean
}

export const publicRule: OptionRule = {
  expected: 'an array of paths such as `/health`, `GET /health` or `/assets/*`',
  accepts: (value) => Array.isArray(value) && value.every((entry) => parsePublicPath(entry) !== undefined),
}

/**
 * Reads a list of public paths. A path counts as it was sent, letter by letter: whatever differs, in case, by a slash or by an
 * encoded character, is not on the list and meets the guard. `GET` is also `HEAD`.
 *
 * @throws TypeError for an entry that is none
 */
export function createPublicPaths(entries: readonly string[]): PublicPaths {
  const paths = entries.map((entry) => {
    const parsed = parsePublicPath(entry)
    if (parsed !== undefined) return parsed
    throw new TypeError(`public: expected ${publicRule.expected}, got ${describeValue(entry)}`)
  })
  return { has: (method, path) => paths.some((entry) => matches(entry, method, path)) }
}

function parsePublicPath(entry: unknown): PublicPath | undefined {
  const [, method, path, star] = /^(?:([A-Z]{3,16}) )?(\/[^\s*?#]*?)(\*)?$/.exec(String(entry)) ?? []
  if (typeof entry !== 'string' || path === undefined) return undefined
  if (star !== undefined && !path.endsWith('/')) return undefined
  return { method, path, isPrefix: star !== undefined }
}

/** Steps that a server or a router may resolve to another place than the one that the list names. */
const unsettled = /\/\.{0,2}(?:\/|$)|%|\\/

function matches({ method, path: named, isPrefix }: PublicPath, method1: string, path: string): boolean {
  const asked = method1 === 'HEAD' && method === 'GET' ? 'GET' : method1
  if (method !== undefined && method !== asked) return false
  if (!isPrefix) return path === named
  return path.startsWith(named) && !unsettled.test(path.slice(named.length - 1))
}
