import { isScope } from '../../core/scope.ts'
import { suggest } from '../../core/suggest.ts'
import { parseDuration } from '../../core/time.ts'
import type { RouteSetting } from '../../gateway/gateway-settings.ts'
import type { Preset, PresetName } from '../../gateway/presets/preset.ts'
import { presetNames, presets } from '../../gateway/presets/presets.ts'
import { isOwnRoute } from '../../gateway/routes/own-paths.ts'
import { type Check, checkFields, fault, isObject, within } from '../object-faults.ts'
import type { InputFault } from '../setting.ts'
import { splitGatewayRoute } from './read-upstream.ts'
import { readUpstreamUrl, upstreamUrlForm } from './upstream-url.ts'

/** Everything that is wrong with the upstreams of a configuration file, at once. */
export function findUpstreamFaults(input: unknown): readonly InputFault[] {
  if (!isObject(input)) return [fault('', 'an object of upstreams by name', input)]
  return Object.entries(input).flatMap(([name, upstream]) => {
    const at = within('', name)
    return [...checkName(at, name), ...checkUpstream(at, upstream)]
  })
}

const namePattern = /^[a-z][a-z0-9._-]{0,31}$/

function checkName(at: string, name: string): readonly InputFault[] {
  const expected = 'the name of an upstream: 1 to 32 of `a-z 0-9 . _ -`, starting with a letter'
  return namePattern.test(name) ? [] : [fault(at, expected, name)]
}

/** What is wrong with a URL. It is not shown: a user in it has a password. */
export const checkUrl: Check = (at, value) => {
  if (typeof value === 'string' && readUpstreamUrl(value) !== undefined) return []
  const got =
    typeof value !== 'string' ? 'no text' : value.includes('@') ? 'one with a user' : 'something else'
  return [{ at, expected: upstreamUrlForm, got }]
}

export const checkPreset: Check = (at, value) => {
  if (presetNames.some((name) => name === value)) return []
  const meant = typeof value === 'string' ? suggest(value, presetNames) : undefined
  const expected = presetNames.map((name) => `\`${name}\``).join(', ')
  return [{ ...fault(at, expected, value), ...(meant && { hint: `did you mean ${meant}?` }) }]
}

const keyForm = '`{"env":NAME}` or `{"file":PATH}`: the credential itself has no place here'
const ownVariable = 'MODELWARD_UPSTREAM_KEY'

/** Nothing of it is shown: it may be the credential itself. */
const checkKey: Check = (at, value) => {
  const [[kind, name] = [], second] = isObject(value) ? Object.entries(value) : []
  const isFile = kind === 'file' && isPath(name)
  const isVariable =
    kind === 'env' &&
    typeof name === 'string' &&
    /^[A-Za-z_]\w{0,127}$/.test(name) &&
    // Any other of these names is a setting, or means nothing.
    (!name.startsWith('MODELWARD_') || name === ownVariable)
  if (second === undefined && (isFile || isVariable)) return []
  return [{ at, expected: keyForm, got: isObject(value) ? 'another object' : 'something else' }]
}

const headerPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/
const setHeaders =
  /^(?:host|connection|content-.*|transfer-encoding|te|trailer|upgrade|expect|user-agent|x-request-id|accept-encoding)$/i

const checkKeyHeader = textThat(
  'a header name that the gateway does not set itself',
  (text) => headerPattern.test(text) && !setHeaders.test(text),
)

const checkPrefix = textThat(
  'a path such as `/ollama`, of segments of `A-Z a-z 0-9 . _ ~ -`, that the server does not use itself',
  (text) =>
    text.length <= 64 &&
    /^(?:\/(?!\.\.?(?:\/|$))[A-Za-z0-9._~-]+)+$/.test(text) &&
    !isOwnRoute('GET', `${text}/x`),
)

const checkTokens = objectOf('tokens', {
  perByte: numberFrom(0.01, 16),
  template: wholeFrom(0, 1_000_000),
  output: wholeFrom(1, 10_000_000),
  image: wholeFrom(0, 10_000_000),
})

const checkTimeouts = objectOf('durations', {
  connect: durationFrom(1),
  firstByte: durationFrom(1),
  idle: durationFrom(1),
  total: durationFrom(1),
})

const breakerFields = objectOf('the breaker’s settings', {
  failures: wholeFrom(1, 1_000),
  pause: durationFrom(1),
  pauseMax: durationFrom(1),
})

const checkBreaker: Check = (at, value) => {
  const faults = breakerFields(at, value)
  if (faults.length > 0 || !isObject(value)) return faults
  const { pause = '5s', pauseMax = '60s' } = value
  const isShorter = Number(parseDuration(String(pauseMax))) < Number(parseDuration(String(pause)))
  return isShorter ? [fault(`${at}.pauseMax`, 'a duration no shorter than `pause`', pauseMax)] : []
}

const checkHealth: Check = (at, value) =>
  value === null ||
  (typeof value === 'string' && splitGatewayRoute(`GET ${value}`) !== undefined && !value.includes('{'))
    ? []
    : [fault(at, 'a path such as `/health`, or `null`', value)]

const upstreamFields = {
  url: checkUrl,
  preset: checkPreset,
  key: checkKey,
  keyHeader: checkKeyHeader,
  prefix: checkPrefix,
  models: textThat('`any` or `listed`', (text) => text === 'any' || text === 'listed'),
  allow: checkedElsewhere,
  close: checkedElsewhere,
  allowFields: checkedElsewhere,
  tokens: checkTokens,
  abandoned: textThat('`estimate` or `reserved`', (text) => text === 'estimate' || text === 'reserved'),
  timeouts: checkTimeouts,
  // With the first attempt, as many as a call has.
  retries: wholeFrom(0, 3),
  breaker: checkBreaker,
  health: checkHealth,
  connectionsMax: wholeFrom(1, 65_535),
  ca: textThat('the path of a PEM file, with `~` written out', isPath),
}

const checkUpstreamFields = checkFields(upstreamFields)

function checkUpstream(at: string, value: unknown): readonly InputFault[] {
  if (!isObject(value)) return [fault(at, 'an upstream, which is an object', value)]
  const faults = [...checkUpstreamFields(at, value)]
  for (const name of ['url', 'preset'])
    if (value[name] === undefined) faults.push({ at: `${at}.${name}`, expected: 'it', got: 'nothing' })
  if (value['keyHeader'] !== undefined && value['key'] === undefined)
    faults.push({ at: `${at}.keyHeader`, expected: 'a `key` beside it', got: 'it alone' })
  const name = presetNames.find((each) => each === value['preset'])
  return [...faults, ...checkRoutes(at, value, name), ...checkAllowFields(at, value['allowFields'], name)]
}

/** What is allowed and closed, where its preset is known. */
function checkRoutes(
  at: string,
  { allow, close }: Readonly<Record<string, unknown>>,
  name: PresetName | undefined,
): readonly InputFault[] {
  const opened = (name === undefined ? [] : presets[name].routes).map(textOf)
  return [
    ...checkRouteList(`${at}.allow`, allow, { mayHaveScope: true }, (text) =>
      opened.includes(text) ? 'a route that the preset does not open already' : undefined,
    ),
    ...checkRouteList(`${at}.close`, close, { mayHaveScope: false, known: opened }, (text) =>
      name === undefined || opened.includes(text) ? undefined : 'a route that the preset opens',
    ),
  ]
}

const routeForm = '`GET`, `HEAD` or `POST`, a space, and a path letter by letter: `GET /api/ps`'

function checkRouteList(
  at: string,
  list: unknown,
  { mayHaveScope, known = [] }: { readonly mayHaveScope: boolean; readonly known?: readonly string[] },
  wrongOf: (text: string) => string | undefined,
): readonly InputFault[] {
  if (list === undefined) return []
  if (!Array.isArray(list)) return [fault(at, 'a list of routes such as `GET /api/ps`', list)]
  const seen = new Set<string>()
  const checkRoute: Check = (place, text) => {
    const split = typeof text === 'string' ? splitGatewayRoute(text) : undefined
    if (split === undefined || (mayHaveScope && split.path.includes('{')))
      return [fault(place, routeForm, text)]
    const route = textOf(split)
    const wrong = seen.has(route) ? 'each route once' : wrongOf(route)
    seen.add(route)
    const meant = wrong === undefined ? undefined : suggest(route, known)
    return wrong === undefined
      ? []
      : [{ ...fault(place, wrong, route), ...(meant && { hint: `did you mean ${meant}?` }) }]
  }
  const fields = checkFields({ route: checkRoute, ...(mayHaveScope && { scope: checkScope }) })
  return list.flatMap((each: unknown, index) => {
    const place = `${at}[${index}]`
    if (!isObject(each)) return checkRoute(place, each)
    const missing = each['route'] === undefined
    return [
      ...fields(place, each),
      ...(missing ? [{ at: `${place}.route`, expected: 'it', got: 'nothing' }] : []),
    ]
  })
}

function textOf({ method, path }: RouteSetting | Preset['routes'][number]): string {
  return `${method} ${path}`
}

const checkScope = textThat('a scope: 1 to 128 of `a-z 0-9 . _ : / -`, starting with a letter', isScope)

function checkAllowFields(at: string, list: unknown, name: PresetName | undefined): readonly InputFault[] {
  if (list === undefined) return []
  const place = `${at}.allowFields`
  if (!Array.isArray(list)) return [fault(place, 'a list of fields that the preset closes', list)]
  if (name === undefined) return []
  const { closedFields } = presets[name]
  const closed = closedFields.map(({ field }) => field)
  const typed = closedFields.flatMap(({ field, types }) => (types === undefined ? [] : `${field}.`))
  return list.flatMap((field: unknown, index) => {
    if (closed.some((each) => each === field)) return []
    if (typeof field === 'string' && typed.some((start) => isTypeOf(field, start))) return []
    const meant = typeof field === 'string' ? suggest(field, closed) : undefined
    const found = fault(`${place}[${index}]`, 'a field that the preset closes', field)
    return [{ ...found, ...(meant && { hint: `did you mean ${meant}?` }) }]
  })
}

/** One type of the objects in a field, which nothing lists: `tools.web_search`. */
function isTypeOf(field: string, start: string): boolean {
  return field.startsWith(start) && /^[\w.:-]{1,64}$/.test(field.slice(start.length))
}

function checkedElsewhere(): readonly InputFault[] {
  return []
}

function textThat(expected: string, isRight: (text: string) => boolean): Check {
  return (at, value) => (typeof value === 'string' && isRight(value) ? [] : [fault(at, expected, value)])
}

function wholeFrom(least: number, most: number): Check {
  return (at, value) =>
    Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most
      ? []
      : [fault(at, `a whole number from ${least} to ${most}`, value)]
}

function numberFrom(least: number, most: number): Check {
  return (at, value) =>
    typeof value === 'number' && value >= least && value <= most
      ? []
      : [fault(at, `a number from ${least} to ${most}`, value)]
}

/** As long as a timer of Node can count. */
const longestMs = 24 * 86_400_000

function durationFrom(leastMs: number): Check {
  return (at, value) => {
    const ms = typeof value === 'string' ? parseDuration(value) : undefined
    return ms !== undefined && ms >= leastMs && ms <= longestMs
      ? []
      : [fault(at, 'a duration from 1ms to 24d, as `500ms`, `30s` or `10min`', value)]
  }
}

function objectOf(what: string, fields: Readonly<Record<string, Check>>): Check {
  const check = checkFields(fields)
  return (at, value) => (isObject(value) ? check(at, value) : [fault(at, `an object of ${what}`, value)])
}

function isPath(value: unknown): value is string {
  return typeof value === 'string' && /^(?!~)[^\0]+$/.test(value)
}
