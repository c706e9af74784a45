import type { RequestHead } from '../core/request-head.ts'
import type { Scheme } from './scheme.ts'

/** What a request presented: one key, none, or more than one, of which nobody can tell which is meant. */
export type PresentedKey = string | undefined | typeof ambiguous

export const ambiguous: unique symbol = Symbol('ambiguous')

/**
 * Reads the key a request presents. The same scheme twice is ambiguous even when the values agree, because a proxy and the
 * application may each look at another one; two schemes are, when they disagree. Where lines arrive joined by commas, a comma is
 * two of them.
 */
export function readKey(schemes: readonly Scheme[], request: RequestHead): PresentedKey {
  let presented: string | undefined
  for (const scheme of schemes) {
    const values = scheme.read(request)
    if (values.length > 1) return ambiguous
    const value = values[0]
    if (value === undefined) continue
    if (request.joinsLines === true && value.includes(',')) return ambiguous
    if (presented !== undefined && presented !== value) return ambiguous
    presented = value
  }
  return presented
}
