import { SetupError } from '../../core/setup-error.ts'
import type { UpstreamSettings } from '../gateway-settings.ts'
import type { Dialect, RouteMethod } from '../presets/preset.ts'
import { presets } from '../presets/presets.ts'
import { isAlike, type OpenRoute, openRoute, routesOf, type ServedRoute } from './open-route.ts'
import { isOwnRoute, matchesPattern } from './own-paths.ts'

/** What is open of all upstreams together. Every path that it does not name is closed. */
export interface GatewayRoutes {
  readonly open: readonly OpenRoute[]
  /** Routes that upstreams would have, were they not the server's own; a prefix opens them. */
  readonly hidden: readonly HiddenRoute[]
  /**
   * The open route of a method and a path.
   *
   * @param path without its query. It is compared letter by letter: `//`, `.`, `..` and encoded
   * separators match nothing
   */
  readonly find: (method: string, path: string) => OpenRoute | undefined
  /** Whether a path manages an upstream: what is not open there is 403 `route_closed`. */
  readonly isManagement: (path: string) => boolean
  /**
   * The dialect of a path's errors, whatever the method; undefined where they are RFC 9457, as on
   * every path of the server's own.
   */
  readonly dialectOf: (path: string) => Dialect | undefined
}

/** A route of an upstream behind one of the server's own. */
export interface HiddenRoute {
  readonly upstream: string
  readonly method: RouteMethod
  readonly path: string
}

/** A route of two upstreams of which nothing says which one is meant. */
export interface RouteConflict {
  readonly method: RouteMethod
  readonly path: string
  /** Their names, in the order of the configuration. */
  readonly upstreams: readonly [string, string]
}

/**
 * The open routes of all upstreams.
 *
 * @throws SetupError (`config_invalid`) where two of them conflict
 */
export function createGatewayRoutes(upstreams: readonly UpstreamSettings[]): GatewayRoutes {
  const [conflict] = findRouteConflicts(upstreams)
  if (conflict !== undefined) throw new SetupError('config_invalid', describeConflict(conflict))
  const served = upstreams.flatMap(routesOf)
  const dialectBelow = createDialects(upstreams)
  const open = groupByRoute(served.filter((route) => !isHidden(route))).map((servers) =>
    openRoute(servers, dialectBelow),
  )
  const management = upstreams.flatMap(({ preset, prefix = '' }) =>
    presets[preset].management.map((pattern) => prefix + pattern),
  )
  const exact = new Map(open.map((route) => [`${route.method} ${route.path}`, route]))
  const byId = open.filter(({ path }) => path.endsWith(idEnd))
  const methods = new Set(open.map(({ method }) => method))
  const find: GatewayRoutes['find'] = (method, path) =>
    path.endsWith(idEnd)
      ? undefined
      : (exact.get(`${method} ${path}`) ??
        byId.find((route) => route.method === method && isOneBelow(route.path, path)))
  return {
    open,
    hidden: served
      .filter(isHidden)
      .map(({ upstream, route, path }) => ({ upstream: upstream.name, method: route.method, path })),
    find,
    isManagement: (path) => management.some((pattern) => matchesPattern(pattern, path)),
    dialectOf(path) {
      if (isOwnRoute('GET', path)) return undefined
      const routes = [...methods].map((method) => find(method, path))
      return routes.find((route) => route !== undefined)?.dialect ?? dialectBelow(path)
    },
  }
}

/** Routes of several upstreams that answer them differently: one of them needs a prefix. */
export function findRouteConflicts(upstreams: readonly UpstreamSettings[]): readonly RouteConflict[] {
  const served = upstreams.flatMap(routesOf).filter((route) => !isHidden(route))
  return groupByRoute(served).flatMap(([first, ...others]) =>
    others
      .filter((other) => !isAlike(first, other))
      .map(({ upstream, route, path }) => ({
        method: route.method,
        path,
        upstreams: [first.upstream.name, upstream.name],
      })),
  )
}

function describeConflict({ method, path, upstreams }: RouteConflict): string {
  return `${method} ${path} is a route of the upstreams ${upstreams.join(' and ')}, which answer it differently: give one of them a prefix`
}

function isHidden({ route, path }: ServedRoute): boolean {
  return isOwnRoute(route.method, path)
}

function groupByRoute(served: readonly ServedRoute[]): readonly (readonly [ServedRoute, ...ServedRoute[]])[] {
  const groups = new Map<string, [ServedRoute, ...ServedRoute[]]>()
  for (const each of served) {
    const name = `${each.route.method} ${each.path}`
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [each])
    else group.push(each)
  }
  return [...groups.values()]
}

const idEnd = '/{id}'

/** Whether a path is one segment below a pattern with an id, whatever a server decodes of it. */
function isOneBelow(pattern: string, path: string): boolean {
  const parent = pattern.slice(0, -idEnd.length + 1)
  if (!path.startsWith(parent)) return false
  try {
    const id = decodeURIComponent(path.slice(parent.length))
    return id !== '' && id !== '.' && id !== '..' && !/[/\\]/.test(id)
  } catch {
    // An encoding that nothing can decode.
    return false
  }
}

/** Where clients read errors in an upstream's dialect, also on a path that it does not have. */
const homes = [
  { dialect: 'openai', start: '/v1/' },
  { dialect: 'ollama', start: '/api/' },
] as const

function createDialects(upstreams: readonly UpstreamSettings[]): (path: string) => Dialect | undefined {
  const mounts = upstreams.flatMap(({ preset, prefix = '' }) =>
    homes
      .filter(({ dialect, start }) =>
        presets[preset].routes.some((route) => route.dialect === dialect && route.path.startsWith(start)),
      )
      .map(({ dialect, start }) => ({ dialect, start: prefix + start })),
  )
  // The longest first: a prefix may itself begin as another upstream's paths do.
  mounts.sort((one, other) => other.start.length - one.start.length)
  return (path) => mounts.find(({ start }) => path.startsWith(start))?.dialect
}
