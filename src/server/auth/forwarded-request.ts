import type { IncomingMessage } from 'node:http'
import type { PathReadings } from '../../config/forward-auth/route-table.ts'
import { Refusal } from '../../core/refusal.ts'
import type { Demand } from '../../guard/demand.ts'
import { refuseWith } from './forward-auth-rules.ts'

/** Where rules are asked. */
export const forwardAuthPrefix = '/v1/forward-auth/'

/** What a proxy asks about, as it says so. */
export interface ForwardedRequest {
  /** The rule's name; undefined where nothing in the path may be one. */
  readonly rule: string | undefined
  /** Undefined for a text that no method has. */
  readonly method: string | undefined
  /** As methods of its own the request names: see `overridingHeaders`. */
  readonly overrides: readonly string[]
  /** Without its query; undefined where nothing says it. */
  readonly path: string | undefined
  /** Whether two lines say one thing, and so nothing says which is meant. */
  readonly isDoubled: boolean
  /**
   * Whether nothing but a slash is behind the rule, and the header has another path. A slash too
   * many in a proxy's file must not make every request one for `/`.
   */
  readonly hasTwoPaths: boolean
}

/**
 * Reads what the proxy asks about. The query decides nothing: some proxies put the client's there.
 *
 * @param url as the proxy sent it
 */
export function readForwarded(
  { headers, rawHeaders, method }: IncomingMessage,
  url: string,
): ForwardedRequest {
  const [, rule, behind] = askedForm.exec(url) ?? []
  const said = pathOf(headers['x-forwarded-uri'])
  return {
    rule,
    method: asMethod(headers['x-forwarded-method'] ?? method),
    overrides: overridingHeaders.flatMap((name) => {
      const value = headers[name]
      return value === undefined ? [] : methodsIn(String(value))
    }),
    path: behind ?? said,
    isDoubled: hasDouble(rawHeaders),
    hasTwoPaths: behind === '/' && said !== undefined && said !== '/',
  }
}

const askedForm = /^\/v1\/forward-auth\/([a-z][a-z0-9._-]{0,31})(\/[^?]*)?(?:\?.*)?$/s

/**
 * Two lines come as one with commas, of which servers take the whole, the first or the last: three
 * at most, as a client may send thousands, and each is looked for in every route.
 */
function methodsIn(value: string): readonly string[] {
  const whole = value.toUpperCase()
  const [first = ''] = whole.split(',', 1)
  const last = whole.slice(whole.lastIndexOf(',') + 1)
  return [...new Set([whole, first.trim(), last.trim()])]
}

/** By these a client has some servers act as if it had sent another method. */
const overridingHeaders = ['x-http-method-override', 'x-http-method', 'x-method-override'] as const

function asMethod(text: string | readonly string[] | undefined): string | undefined {
  return typeof text === 'string' && /^[A-Z][A-Z-]{0,19}$/.test(text) ? text : undefined
}

function pathOf(uri: string | readonly string[] | undefined): string | undefined {
  return typeof uri === 'string' && uri !== '' ? uri.replace(/\?.*$/s, '') : undefined
}

function hasDouble(rawHeaders: readonly string[]): boolean {
  const seen = new Set<string>()
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? ''
    if (!name.startsWith('x-forwarded-')) continue
    if (seen.has(name)) return true
    seen.add(name)
  }
  return false
}

const refused = (detail: string): Demand => refuseWith(new Refusal('request_malformed', detail))

type Malformation = 'doubled' | 'noMethod' | 'noPath' | 'twoPaths' | 'path' | 'ambiguous'

/** What a request meets of which nothing says for sure what it is for. */
export const malformed: Readonly<Record<Malformation, Demand>> = {
  doubled: refused('An `X-Forwarded-` header came in two lines.'),
  noMethod: refused('`X-Forwarded-Method` is no method.'),
  noPath: refused('Neither the path behind the rule nor `X-Forwarded-Uri` says what the request is for.'),
  twoPaths: refused(
    'A slash is all that is behind the rule, and `X-Forwarded-Uri` has another path. Ask without that slash, or without that header.',
  ),
  path: refused(
    'Servers read this path in different ways. Send it without `//`, `;` and `\\`, without segments that end in a dot or have a space at either end, and with each character encoded once at most.',
  ),
  ambiguous: refused(
    'Some servers read this request as another one. Send its path as it is documented: in the same letters, with or without the slash at its end, and without a suffix or encodings that it needs not.',
  ),
}

/**
 * A path as servers may read it; undefined where proxies and servers are known to differ in it, and
 * a request could get past what its route demands.
 */
export function readPath(sent: string): PathReadings | undefined {
  if (!plainPath.test(sent) || /%(?:2f|5c|00)/i.test(sent)) return undefined
  const decoded = decode(sent)
  // An encoding of an encoding: it depends on how many servers there are on its way.
  if (decoded === undefined || /%[0-9a-f]{2}/i.test(decoded)) return undefined
  return isPlain(decoded) ? { sent, decoded } : undefined
}

/** Visible ASCII from a slash on. A fragment is never sent, and cut off by those who get one. */
const plainPath = /^\/[!-"$->@-~]*$/

function isPlain(path: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for.
  return !/\/[/ ]|[\\;\u0000-\u001f\u007f]|[. ](?:\/|$)/.test(path)
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
