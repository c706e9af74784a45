import type { UpstreamSettings } from '../gateway-settings.ts'
import type { ClosedField, Dialect, Preset, PresetRoute } from '../presets/preset.ts'
import { presets } from '../presets/presets.ts'

/** An upstream that serves a route, and what its preset knows of it there. */
export interface RouteServer {
  readonly upstream: UpstreamSettings
  readonly preset: Preset
  /** Its path is the upstream's own, without the prefix. */
  readonly route: PresetRoute
  /** Without those that the operator allows. */
  readonly closedFields: readonly ClosedField[]
}

/** A route that is open to keys. */
export interface OpenRoute extends Pick<PresetRoute, 'method' | 'asks' | 'answeredBy' | 'form' | 'streams'> {
  /** With the prefix: `/ollama/v1/models/{id}`. */
  readonly path: string
  /** The same as Fastify writes it: `/ollama/v1/models/:id`. */
  readonly routerPath: string
  /** Undefined: RFC 9457. */
  readonly dialect: Dialect | undefined
  /** What a key must have in the place of what `asks` says. */
  readonly scope: string | undefined
  /** In the order of the configuration. Where the route names no model, the first answers. */
  readonly servers: readonly [RouteServer, ...RouteServer[]]
}

/** A route as one upstream has it. */
export interface ServedRoute extends RouteServer {
  /** With the prefix. */
  readonly path: string
  readonly scope: string | undefined
  /** Whether the operator has opened it, and no preset. */
  readonly isAllowed: boolean
}

/** What the operator opens is forwarded as it is; how its answers count is not known. */
const allowed = { asks: 'any model', answeredBy: 'upstream', streams: 'never' } as const

/** The routes of one upstream: its preset's without the closed ones, and those that are allowed. */
export function routesOf(upstream: UpstreamSettings): readonly ServedRoute[] {
  const { allow, allowFields, close, prefix = '' } = upstream
  const preset = presets[upstream.preset]
  const closedFields = closedFieldsOf(preset, allowFields)
  const isClosed = ({ method, path }: PresetRoute): boolean =>
    close.some((route) => route.method === method && route.path === path)
  const served = { upstream, preset, closedFields }
  return [
    ...preset.routes
      .filter((route) => !isClosed(route))
      .map((route) => ({
        ...served,
        route,
        path: prefix + route.path,
        scope: undefined,
        isAllowed: false,
      })),
    ...allow.map(({ method, path, scope }) => ({
      ...served,
      route: { method, path, ...allowed },
      path: prefix + path,
      scope,
      isAllowed: true,
    })),
  ]
}

/**
 * What a preset closes, without what the operator opens: a field, `store`, or one type of the
 * objects in it, `tools.web_search`.
 */
export function closedFieldsOf(
  { closedFields }: Preset,
  allowFields: readonly string[],
): readonly ClosedField[] {
  return closedFields
    .filter(({ field }) => !allowFields.includes(field))
    .map((closed) => {
      if (closed.types === undefined) return closed
      const start = `${closed.field}.`
      const opened = allowFields.filter((field) => field.startsWith(start))
      const open = [...closed.types.open, ...opened.map((field) => field.slice(start.length))]
      return { ...closed, types: { ...closed.types, open } }
    })
}

/** Whether it makes no difference to a client which of two upstreams answers a route. */
export function isAlike(one: ServedRoute, other: ServedRoute): boolean {
  const { dialect, form, asks, answeredBy, streams } = one.route
  return (
    !one.isAllowed &&
    !other.isAllowed &&
    dialect === other.route.dialect &&
    form === other.route.form &&
    asks === other.route.asks &&
    answeredBy === other.route.answeredBy &&
    streams === other.route.streams
  )
}

/** The route that upstreams serve together. */
export function openRoute(
  servers: readonly [ServedRoute, ...ServedRoute[]],
  dialectBelow: (path: string) => Dialect | undefined,
): OpenRoute {
  const [{ route, path, scope }] = servers
  const { method, asks, answeredBy, form, streams, dialect } = route
  return {
    method,
    path,
    routerPath: path.replaceAll(':', '::').replace(/\{id\}$/, ':id'),
    asks,
    answeredBy,
    ...(form && { form }),
    streams,
    dialect: dialect ?? dialectBelow(path),
    scope,
    servers,
  }
}
