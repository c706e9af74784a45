import createRouter from 'find-my-way'
import type { ForwardAuthRoute } from './forward-auth.ts'

/** A path as a client has sent it, and as a server may read it. */
export interface PathReadings {
  /** As sent, without its query. */
  readonly sent: string
  /** With every percent-encoding decoded. */
  readonly decoded: string
}

/**
 * The routes of a server behind a proxy. Servers differ in how they find a route: whether letters
 * count as the same in either case, whether a slash at the end counts, whether a percent-encoding
 * is decoded first, whether `.json` belongs to the path. A table tells every route that one of them
 * may take.
 */
export interface RouteTable<Route> {
  /**
   * What a method and a path may be read as: first as Fastify reads them, then as others may. Where
   * one of them finds no route, undefined stands among them.
   */
  readonly read: (method: string, path: PathReadings) => readonly (Route | undefined)[]
}

/** Two routes of which some servers could not tell which is meant. */
export interface SameRoutes<Route> {
  readonly route: Route
  readonly earlier: Route
}

type Place = Pick<ForwardAuthRoute, 'method' | 'pattern'>

/**
 * Makes a table of routes with patterns that `isRoutePattern` accepts.
 *
 * @param isAlike whether it makes no difference which of two routes is meant
 */
export function createRouteTable<Route extends Place>(
  routes: readonly Route[],
  isAlike: (one: Route, other: Route) => boolean,
): RouteTable<Route> & { readonly same: readonly SameRoutes<Route>[] } {
  const strict = createTree<Route>(true)
  const lenient = createTree<Route>(false)
  const same: SameRoutes<Route>[] = []
  for (const route of routes) {
    const earlier = strict.add(route, route.pattern)
    if (earlier !== undefined) {
      same.push({ route, earlier })
      continue
    }
    const trimmed = trimSlash(route.pattern)
    for (const pattern of new Set([route.pattern, trimmed])) {
      const taken = lenient.add(route, pattern)
      if (taken !== undefined && !isAlike(route, taken)) same.push({ route, earlier: taken })
    }
  }
  return {
    same,
    read(method, { sent, decoded }) {
      const route = strict.find(method, sent)
      const paths = [sent, decoded].flatMap((path) => [path, trimSlash(path)])
      // What the rule lists word for word, such as `/openapi.json`, is meant as it is.
      if (route?.pattern !== sent) paths.push(...withoutSuffix(trimSlash(decoded)))
      return [route, ...[...new Set(paths)].map((path) => lenient.find(method, literally(path)))]
    },
  }
}

/**
 * Whether a pattern may be in a table: whole segments of plain characters, `:name`, and `*` at the
 * end. A literal colon is written `::`. Of a parameter with more in its segment, or of a regular
 * expression, nothing could say how another server reads it.
 */
export function isRoutePattern(pattern: string): boolean {
  if (pattern.length > patternMax || !pattern.startsWith('/')) return false
  const segments = pattern.slice(1).split('/')
  return segments.every((segment, index) => {
    const isLast = index === segments.length - 1
    if (isLast && (segment === '*' || segment === '')) return true
    return parameter.test(segment) || plain.test(segment)
  })
}

const patternMax = 128
const parameter = /^:[A-Za-z0-9_]+$/
/** Without a dot at its end: no request with one passes. */
const plain = /^(?:[A-Za-z0-9._~!$&'+,=@-]|::)+(?<!\.)$/

interface Tree<Route> {
  /** Undefined where it was added, else the route that has the place. */
  readonly add: (route: Route, pattern: string) => Route | undefined
  readonly find: (method: string, path: string) => Route | undefined
}

/** The router of Fastify, with one tree for all methods: of a method it may not know the name. */
function createTree<Route extends Place>(caseSensitive: boolean): Tree<Route> {
  const router = createRouter({
    caseSensitive,
    // A parameter that is too long would be on no route here, and on one elsewhere.
    maxParamLength: Number.MAX_SAFE_INTEGER,
    querystringParser: () => ({}),
    constraints: { method: byMethod },
  })
  return {
    add(route, pattern) {
      const constraints = route.method === '*' ? {} : { method: route.method }
      const taken = router.findRoute('GET', pattern, constraints)
      if (taken !== null) return taken.store as Route
      router.on('GET', pattern, { constraints }, () => {}, route)
      return undefined
    },
    find: (method, path) => router.find('GET', path, { method })?.store as Route | undefined,
  }
}

/** A route of `GET` answers `HEAD` too, unless there is one of its own: so servers do. */
const byMethod = {
  name: 'method',
  storage() {
    const handlers = new Map<string, never>()
    return {
      get: (method: string) =>
        handlers.get(method) ?? (method === 'HEAD' ? handlers.get('GET') : undefined) ?? null,
      set: (method: string, handler: unknown) => void handlers.set(method, handler as never),
    }
  },
  deriveConstraint: (request: { readonly method?: string | undefined }) => request.method ?? '',
}

function trimSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

/**
 * As servers find it to which `.json` at the end says what the answer is to be, such as Rails:
 * without what stands behind the last dot of the last segment, or behind the first.
 */
function withoutSuffix(path: string): readonly string[] {
  const name = path.lastIndexOf('/') + 1
  const dots = [path.lastIndexOf('.'), path.indexOf('.', name + 1)]
  return dots.filter((at) => at > name).map((at) => path.slice(0, at))
}

/** A path that the router shall not decode. */
function literally(path: string): string {
  return path.replaceAll('%', '%25')
}
