import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingHttpHeaders, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { parse } from 'yaml'

/** What a client has sent to a proxy. */
export interface ClientRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>
  readonly address?: string
}

/** What comes of it: it is forwarded, or answered. */
export type Outcome =
  | { readonly forwarded: Readonly<Record<string, string>> }
  | { readonly answer: ProxyAnswer }

export interface ProxyAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export type Replay = (client: ClientRequest) => Promise<Outcome>

interface TraefikFile {
  readonly http: {
    readonly routers: Readonly<Record<string, { readonly middlewares: readonly string[] }>>
    readonly middlewares: {
      readonly modelward: { readonly forwardAuth: ForwardAuth }
      readonly 'without-key': {
        readonly headers: { readonly customRequestHeaders: Readonly<Record<string, string>> }
      }
    }
  }
}

interface ForwardAuth {
  readonly address: string
  readonly trustForwardHeader: boolean
  readonly authResponseHeaders: readonly string[]
}

/**
 * As the documentation of Traefik 3 has ForwardAuth: it asks by GET with the client's headers and
 * five of its own; any 2xx passes, any other answer is the client's; the headers that are named are
 * set on the forwarded request, in place of any there are. Other names of a header, such as with
 * `_` or `.`, are deleted first, where the flags of the file's head say so.
 */
export function replayTraefik(port: number): Replay {
  const { http } = readExample<TraefikFile>('traefik.yml', port)
  if (!readFileSync('examples/proxies/traefik.yml', 'utf8').includes('aliasHeadersStrategy=delete'))
    throw new Error('traefik.yml keeps other names of headers')
  const { modelward, 'without-key': without } = http.middlewares
  const { address, trustForwardHeader, authResponseHeaders } = modelward.forwardAuth
  if (http.routers['models']?.middlewares.join() !== 'modelward,without-key' || trustForwardHeader)
    throw new Error('traefik.yml says something that is not replayed here')
  return async function ask({ method, target, headers: all = {}, address: client = '203.0.113.7' }) {
    const headers = Object.fromEntries(Object.entries(all).filter(([name]) => /^[a-z0-9-]+$/.test(name)))
    const { connection: _, 'content-length': __, ...sent } = headers
    const url = new URL(address)
    const verdict = await exchange(port, 'GET', url.pathname + url.search, {
      ...sent,
      'x-forwarded-method': method,
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'models.example',
      'x-forwarded-uri': target,
      'x-forwarded-for': client,
    })
    if (verdict.status < 200 || verdict.status > 299) return { answer: verdict }
    const forwarded = { ...headers }
    for (const name of authResponseHeaders) setFrom(forwarded, name, verdict.headers)
    for (const [name, value] of Object.entries(without.headers.customRequestHeaders))
      if (value === '') delete forwarded[name.toLowerCase()]
    return { forwarded }
  }
}

interface EnvoyFile {
  readonly static_resources: {
    readonly listeners: readonly [
      {
        readonly filter_chains: readonly [{ readonly filters: readonly [{ readonly typed_config: Manager }] }]
      },
    ]
    readonly clusters: readonly { readonly name: string }[]
  }
}

interface Manager {
  readonly use_remote_address: boolean
  readonly common_http_protocol_options: { readonly headers_with_underscores_action: string }
  readonly http_filters: readonly { readonly name: string; readonly typed_config: unknown }[]
  readonly route_config: {
    readonly virtual_hosts: readonly [{ readonly request_headers_to_remove: readonly string[] }]
  }
}

interface ExtAuthz {
  readonly failure_mode_allow: boolean
  readonly status_on_error: { readonly code: string }
  readonly allowed_headers: Matchers
  readonly http_service: {
    readonly path_prefix: string
    readonly authorization_response: {
      readonly allowed_upstream_headers: Matchers
      readonly allowed_client_headers: Matchers
    }
  }
}

interface Matchers {
  readonly patterns: readonly { readonly exact?: string; readonly prefix?: string }[]
}

/**
 * As the documentation of Envoy has `ext_authz` over HTTP: it asks by the client's method, with the
 * client's path behind a prefix, `Host`, `Authorization`, an empty body, and the headers that are
 * named; 200 alone passes; a 5xx is an error, and the status is `status_on_error`; any other answer
 * is the client's, with the headers that are named and a few besides. Headers with `_` in their
 * names are dropped before all else.
 */
export function replayEnvoy(port: number): Replay {
  const { static_resources } = readExample<EnvoyFile>('envoy.yaml', port)
  const manager = static_resources.listeners[0].filter_chains[0].filters[0].typed_config
  const [first] = manager.http_filters
  const authz = first?.typed_config as ExtAuthz
  const { path_prefix, authorization_response } = authz.http_service
  if (
    first?.name !== 'envoy.filters.http.ext_authz' ||
    authz.failure_mode_allow ||
    !manager.use_remote_address ||
    manager.common_http_protocol_options.headers_with_underscores_action !== 'DROP_HEADER'
  )
    throw new Error('envoy.yaml says something that is not replayed here')
  const onError = { ServiceUnavailable: 503 }[authz.status_on_error.code]
  if (onError === undefined) throw new Error('envoy.yaml has a status that is not replayed here')
  return async function ask({ method, target, headers: all = {}, address = '203.0.113.7' }) {
    const headers = Object.fromEntries(Object.entries(all).filter(([name]) => !name.includes('_')))
    const received: Readonly<Record<string, string>> = { ...headers, 'x-forwarded-for': address }
    const named = pick(received, authz.allowed_headers, ['host', 'authorization'])
    const verdict = await exchange(port, method, path_prefix + target, { ...named, 'content-length': '0' })
    if (verdict.status >= 500) return { answer: { status: onError, headers: {}, body: '' } }
    const { allowed_client_headers, allowed_upstream_headers } = authorization_response
    if (verdict.status !== 200) {
      const also = ['content-length', 'www-authenticate', 'location']
      return { answer: { ...verdict, headers: pick(verdict.headers, allowed_client_headers, also) } }
    }
    const forwarded = { ...received, ...pick(verdict.headers, allowed_upstream_headers, []) }
    for (const name of manager.route_config.virtual_hosts[0].request_headers_to_remove) delete forwarded[name]
    return { forwarded }
  }
}

/** The file as it is, with another port of Modelward. */
function readExample<File>(name: string, port: number): File {
  return parse(readFileSync(`examples/proxies/${name}`, 'utf8').replaceAll(/\b8000\b/g, String(port))) as File
}

function setFrom(headers: Record<string, string>, name: string, from: IncomingHttpHeaders): void {
  const value = from[name.toLowerCase()]
  delete headers[name.toLowerCase()]
  if (value !== undefined) headers[name.toLowerCase()] = String(value)
}

function pick(
  headers: IncomingHttpHeaders,
  { patterns }: Matchers,
  also: readonly string[],
): Record<string, string> {
  const isNamed = (name: string): boolean =>
    also.includes(name) ||
    patterns.some(({ exact, prefix }) => name === exact || (prefix !== undefined && name.startsWith(prefix)))
  const named = Object.entries(headers).filter(([name]) => isNamed(name))
  return Object.fromEntries(named.map(([name, value]) => [name, String(value)]))
}

async function exchange(
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<ProxyAnswer> {
  const sent = request({ host: '127.0.0.1', port, method, path, headers, agent: false })
  sent.end()
  const [response] = await once(sent, 'response')
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}
