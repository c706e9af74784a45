import type { Request } from 'express'

interface Match {
  readonly params?: object
  readonly path?: string
}

interface Layer extends Match {
  readonly route?: unknown
  readonly handle: { readonly stack?: readonly Layer[] }
  readonly match: (path: string) => boolean | Match
}

interface Layers {
  readonly stack: readonly Layer[]
}

/**
 * The pattern of a request's route; null where no route with a text matched. Express gives where a
 * router is mounted only as the path that came in, which may contain parameters, and people put
 * keys and texts there: it is then left out, as `*`.
 */
export function routeOf(request: Request): string | null {
  const path: unknown = (request.route as { readonly path?: unknown } | undefined)?.path
  if (typeof path !== 'string') return null
  const { baseUrl } = request
  if (baseUrl === '') return path
  const isLiteral = isMountedLiterally(stackOf(request.app), baseUrl)
  return `${isLiteral ? baseUrl : '*'}${path === '/' ? '' : path}`
}

/** In `_router` under Express 4, in `router` under 5; reading that throws under 4. */
function stackOf(app: object): readonly Layer[] {
  const layers = app as { readonly _router?: Layers; readonly router: Layers }
  return (layers._router ?? layers.router).stack
}

/**
 * Whether every router that this path may have come through is mounted at a path without
 * parameters.
 */
function isMountedLiterally(stack: readonly Layer[], path: string): boolean {
  const mounts = stack.flatMap((layer) => {
    const inner = layer.route === undefined ? layer.handle.stack : undefined
    const match = inner === undefined ? undefined : matchOf(layer, path)
    return inner === undefined || match === undefined ? [] : [{ inner, ...match }]
  })
  return (
    mounts.length > 0 &&
    mounts.every(({ inner, params, length }) => {
      if (Object.keys(params).length > 0) return false
      const rest = path.slice(length)
      return rest === '' || isMountedLiterally(inner, rest)
    })
  )
}

/** What a layer makes of a path: older routers leave it at the layer, newer ones return it. */
function matchOf(
  layer: Layer,
  path: string,
): { readonly params: object; readonly length: number } | undefined {
  const match = layer.match(path)
  if (match === false) return undefined
  const { params = {}, path: matched = '' } = match === true ? layer : match
  return { params, length: matched.length }
}
