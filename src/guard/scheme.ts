import { checkOptions, isBoolean, isText, type OptionRule } from '../core/check-options.ts'
import type { RequestHead } from '../core/request-head.ts'

/** Where a scheme's credential travels, in OpenAPI's words (`securitySchemes`). */
export type SchemeDescription =
  | { readonly type: 'apiKey'; readonly in: 'header' | 'query' | 'cookie'; readonly name: string }
  | { readonly type: 'http'; readonly scheme: 'bearer' }

/**
 * Declares where a credential travels. `Required` records, in the type, whether its absence refuses
 * the call.
 */
export interface Scheme<Required extends boolean = boolean> {
  /** What OpenAPI calls it. */
  readonly id: string
  readonly required: Required
  /** The `WWW-Authenticate` challenge, without its realm (RFC 9110 §11.6.1). */
  readonly challenge: string
  readonly description: SchemeDescription
  /**
   * Every credential presented this way: none, one, or several, which the guard refuses. A blank
   * one alone was not sent; one of several lines is a line as any other (RFC 9110 §5.3).
   */
  readonly read: (request: RequestHead) => readonly string[]
}

/** Options of every scheme. */
export interface SchemeOptions<Required extends boolean> {
  /**
   * When false, a request without a key goes on with `caller` null; a wrong key is still refused,
   * and so is an anonymous caller where the route demands anything. As FastAPI's `auto_error`.
   * @default true
   */
  readonly autoError?: Required
}

/** Options of a scheme whose credential travels under a name. */
export interface NamedSchemeOptions<Required extends boolean> extends SchemeOptions<Required> {
  /** Name of the header, cookie or query parameter. Headers match in any case. */
  readonly name: string
}

/** An RFC 9110 token: what a header or cookie may be called. */
const tokenPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const none: readonly string[] = []

/**
 * Reads the key from a request header, as FastAPI's `APIKeyHeader`, or from `Authorization: ApiKey
 * <key>`: what clients send that answer the challenge.
 */
export function apiKeyHeader<const Required extends boolean = true>(
  options: NamedSchemeOptions<Required>,
): Scheme<Required> {
  checkOptions('apiKeyHeader', options, { name: tokenRule, autoError: autoErrorRule })
  const name = options.name.toLowerCase()
  return {
    id: 'ApiKeyHeader',
    required: requiredOf(options),
    challenge: 'ApiKey',
    description: { type: 'apiKey', in: 'header', name: options.name },
    read(request) {
      const values = presentValues(request.headerValues(name))
      const authorized = authorizationKeys(request, apiKeyAuthorization)
      if (authorized.length === 0) return values
      // Where the header is `Authorization` itself, both have read the same lines.
      return values.length === 0 || name === 'authorization' ? authorized : [...values, ...authorized]
    },
  }
}

/**
 * Reads the key from `Authorization: Bearer <key>` (RFC 6750 §2.1). Other authorization schemes are
 * not a key.
 */
export function bearer<const Required extends boolean = true>(
  options: SchemeOptions<Required> = {},
): Scheme<Required> {
  checkOptions('bearer', options, { autoError: autoErrorRule })
  return {
    id: 'Bearer',
    required: requiredOf(options),
    challenge: 'Bearer',
    description: { type: 'http', scheme: 'bearer' },
    read: (request) => authorizationKeys(request, bearerAuthorization),
  }
}

/** An authorization scheme that is followed by a key, at its start and after a comma. */
interface Authorization {
  readonly key: RegExp
  readonly laterKey: RegExp
}

const bearerAuthorization = authorizationOf('bearer')
const apiKeyAuthorization = authorizationOf('apikey')

function authorizationOf(scheme: string): Authorization {
  return {
    key: new RegExp(`^${scheme}[ \\t]+(.*)$`, 'is'),
    laterKey: new RegExp(`,\\s*${scheme}[ \\t]+[^\\s,]`, 'i'),
  }
}

/** The key of `<scheme> <key>`; none for another authorization, and for the word alone. */
function authorizationKeys(request: RequestHead, { key, laterKey }: Authorization): readonly string[] {
  const lines = request.headerValues('authorization')
  const only = lines[0]
  if (only === undefined) return none
  const keyOf = (line: string): string | undefined => key.exec(line.trim())?.[1]?.trim() || undefined
  // Two lines are ambiguous whatever they say: a proxy may have read the other one.
  if (lines.length > 1) return lines.map((line) => keyOf(line) ?? line.trim())
  if (request.joinsLines === true && isJoined(only, laterKey)) return only.split(',')
  const found = keyOf(only)
  return found === undefined ? none : [found]
}

const parameter = /^\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*=/

/**
 * Whether an authorization was two lines before a comma joined them: after a comma, one
 * authorization has parameters alone (RFC 9110 §11.4). A token counts wherever it stands.
 */
function isJoined(authorization: string, laterKey: RegExp): boolean {
  if (!authorization.includes(',')) return false
  const [, ...later] = authorization.replace(/"[^"]*"/g, '""').split(',')
  return laterKey.test(authorization) || later.some((part) => !parameter.test(part))
}

/** The schemes, and `Authorization: Bearer` beside them where none of them reads it. */
export function withBearer(schemes: readonly Scheme[]): readonly Scheme[] {
  if (schemes.some(({ description }) => description.type === 'http')) return schemes
  const also = bearer()
  const same = schemes.find(({ description }) => isAuthorization(description))
  if (same === undefined) return [...schemes, also]
  // It would read the whole line as a key, and the two would differ.
  const either: Scheme = {
    ...same,
    read(request) {
      const found = also.read(request)
      return found.length > 0 ? found : same.read(request)
    },
  }
  return schemes.map((scheme) => (scheme === same ? either : scheme))
}

function isAuthorization(description: SchemeDescription): boolean {
  return (
    description.type === 'apiKey' &&
    description.in === 'header' &&
    description.name.toLowerCase() === 'authorization'
  )
}

/**
 * Reads the key from a cookie. Browsers send cookies unasked: routes that change something need a
 * CSRF defence of their own.
 */
export function apiKeyCookie<const Required extends boolean = true>(
  options: NamedSchemeOptions<Required>,
): Scheme<Required> {
  checkOptions('apiKeyCookie', options, { name: tokenRule, autoError: autoErrorRule })
  const { name } = options
  return {
    id: 'ApiKeyCookie',
    required: requiredOf(options),
    challenge: 'ApiKey',
    description: { type: 'apiKey', in: 'cookie', name },
    read: (request) => presentValues(cookieValues(request, name)),
  }
}

/**
 * Reads the key from the query. Off unless asked for: URLs end up in logs, histories and `Referer`
 * headers.
 */
export function apiKeyQuery<const Required extends boolean = true>(
  options: NamedSchemeOptions<Required>,
): Scheme<Required> {
  checkOptions('apiKeyQuery', options, { name: queryRule, autoError: autoErrorRule })
  const { name } = options
  return {
    id: 'ApiKeyQuery',
    required: requiredOf(options),
    challenge: 'ApiKey',
    description: { type: 'apiKey', in: 'query', name },
    read: (request) => presentValues(request.queryValues(name)),
  }
}

/**
 * Every value of a cookie, in the order sent (RFC 6265 §4.2.1: the same name may be there twice).
 */
export function cookieValues(request: RequestHead, name: string): readonly string[] {
  const lines = request.headerValues('cookie')
  if (lines.length === 0) return none
  return lines
    .flatMap((line) => line.split(';'))
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1).replace(/^"(.*)"$/, '$1'))
}

/**
 * Spaces and tabs around a field's value are not part of it (RFC 9110 §5.5). A blank value alone
 * was not sent; beside another it counts, for it tells that there were two.
 */
function presentValues(values: readonly string[]): readonly string[] {
  const only = values[0]
  if (only === undefined) return none
  if (values.length === 1) {
    const trimmed = only.trim()
    return trimmed === '' ? none : trimmed === only ? values : [trimmed]
  }
  return values.map((value) => value.trim())
}

export const ambiguous: unique symbol = Symbol('ambiguous')

/** What a request presented: one key, none, or several of which any could be meant. */
export type PresentedKey = string | undefined | typeof ambiguous

/**
 * Reads the key that a request presents. One scheme twice is ambiguous even where the values agree:
 * a proxy and the application may each read another one. Two schemes are where they disagree. Where
 * lines arrive joined by commas, a comma separates two keys.
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

const autoErrorRule: OptionRule = { expected: 'true or false', accepts: isBoolean }
const tokenRule: OptionRule = {
  expected: 'an RFC 9110 token',
  accepts: (name) => typeof name === 'string' && tokenPattern.test(name),
  isRequired: true,
}
const queryRule: OptionRule = { expected: 'the name of a query parameter', accepts: isText, isRequired: true }

/** Whether a key must be there, from options that have been checked. */
function requiredOf<Required extends boolean>({ autoError }: SchemeOptions<Required>): Required {
  return (autoError ?? true) as Required
}
