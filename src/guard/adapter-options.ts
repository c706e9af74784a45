import { checkOptions, describeValue, isFunction, type OptionRule } from '../core/check-options.ts'
import { oneVersion, otherVersionOf } from '../core/runtime/other-version.ts'
import { packageVersion } from '../core/runtime/package-version.ts'
import type { Guard } from './guard.ts'

/** The ward that an adapter is given. */
export const wardRule: OptionRule = {
  expected: 'a ward, from openModelward or createTestWard',
  accepts: (ward) => typeof (ward as Partial<{ guard: Partial<Guard> }> | null)?.guard?.admit === 'function',
  isRequired: true,
}

/**
 * Checks the ward that an adapter is given.
 *
 * @param where what the message starts with, such as `guard`
 * @throws TypeError for what is no ward, and for one of another version: the two would not see what
 *   the other knows of a request, and records would be missing
 */
export function checkWard(where: string, ward: unknown): void {
  checkOptions(where, { ward }, { ward: wardRule })
  const version = otherVersionOf((ward as { readonly guard: Guard }).guard)
  if (version !== undefined)
    throw new TypeError(
      `${where}: the ward is of modelward ${version}, and this adapter of ${packageVersion}; ${oneVersion}`,
    )
}

export const publicRule: OptionRule = {
  expected: 'an array of paths such as `/health`, `GET /health` or `/assets/*`',
  accepts: (value) => Array.isArray(value) && value.every((entry) => parsePublicPath(entry) !== undefined),
}

/** Rules of what every `guardApp` takes. */
export const guardAppRules: Readonly<Record<'ward' | 'demand' | 'public' | 'before', OptionRule>> = {
  ward: wardRule,
  // Checked more closely by `checkDemand`.
  demand: { expected: 'a demand', accepts: () => true },
  public: publicRule,
  before: {
    expected: 'an array of middleware',
    accepts: (value) => Array.isArray(value) && value.every(isFunction),
  },
}

/**
 * Checks that an app is one, and has no routes yet: they would come ahead of its guard.
 *
 * @param framework whose app it has to be, with its versions
 * @param declared how many routes it has; undefined for what is no such app
 * @throws TypeError for another, and for one that has routes
 */
export function checkNoRoutes(framework: string, declared: number | undefined): void {
  if (declared === undefined) throw otherApp(framework)
  if (declared > 0)
    throw new TypeError(
      `guardApp: expected an app without routes, got one with ${declared}: they would be answered ahead of the guard; declare them after it, or name middleware in \`before\``,
    )
}

/** The fault that an app is of another framework, or of a version that cannot be guarded. */
export function otherApp(framework: string): TypeError {
  return new TypeError(`guardApp: expected an app of ${framework}, got another`)
}

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

/**
 * Reads a list of public paths. A path is compared as it was sent, character by character: one that
 * differs in case, by a slash or by an encoding is not public. `GET` is also `HEAD`.
 *
 * @throws TypeError for an entry that is not a path
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

/** What a server or a router may resolve to another path than the listed one. */
const unsettled = /\/\.{0,2}(?:\/|$)|[%\\;]/

function matches({ method, path: named, isPrefix }: PublicPath, sent: string, path: string): boolean {
  const wanted = sent === 'HEAD' && method === 'GET' ? 'GET' : sent
  if (method !== undefined && method !== wanted) return false
  if (!isPrefix) return path === named
  return path.startsWith(named) && !unsettled.test(path.slice(named.length - 1))
}
