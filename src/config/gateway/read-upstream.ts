import { parseDuration } from '../../core/time.ts'
import type {
  CredentialSource,
  ModelSettings,
  RouteSetting,
  UpstreamSettings,
} from '../../gateway/gateway-settings.ts'
import type { PresetName, RouteMethod } from '../../gateway/presets/preset.ts'
import { presets } from '../../gateway/presets/presets.ts'
import { shortenLimits } from '../../limits/limit-setting.ts'
import { readUpstreamUrl } from './upstream-url.ts'

/** An upstream as a configuration file has it. */
export interface UpstreamInput {
  readonly url: string
  readonly preset: PresetName
  readonly key?: CredentialSource
  readonly keyHeader?: string
  readonly prefix?: string
  readonly models?: UpstreamSettings['models']
  readonly allow?: readonly RouteInput[]
  readonly close?: readonly RouteInput[]
  readonly allowFields?: readonly string[]
  readonly tokens?: Partial<UpstreamSettings['tokens']>
  readonly abandoned?: UpstreamSettings['abandoned']
  readonly timeouts?: {
    readonly connect?: string
    readonly firstByte?: string
    readonly idle?: string
    readonly total?: string
  }
  readonly retries?: number
  readonly breaker?: { readonly failures?: number; readonly pause?: string; readonly pauseMax?: string }
  readonly health?: string | null
  readonly connectionsMax?: number
  readonly ca?: string
}

type RouteInput = string | { readonly route: string; readonly scope?: string }

/** The upstreams of a configuration file in which there is no fault. */
export function readUpstreams(input: unknown): readonly UpstreamSettings[] {
  return Object.entries(input as Readonly<Record<string, UpstreamInput>>).map(([name, upstream]) =>
    readUpstream(name, upstream),
  )
}

/** One upstream, with the defaults of what is left out. */
export function readUpstream(name: string, input: UpstreamInput): UpstreamSettings {
  const { key, keyHeader, prefix, health, ca, timeouts = {}, breaker = {} } = input
  return {
    name,
    url: readUpstreamUrl(input.url) ?? input.url,
    preset: input.preset,
    ...(key && { key }),
    ...(keyHeader !== undefined && { keyHeader: keyHeader.toLowerCase() }),
    ...(prefix !== undefined && { prefix }),
    models: input.models ?? presets[input.preset].models,
    allow: (input.allow ?? []).map(readRoute),
    close: (input.close ?? []).map(readRoute),
    allowFields: input.allowFields ?? [],
    tokens: { perByte: 1, template: 512, output: 4_096, image: 4_096, ...input.tokens },
    abandoned: input.abandoned ?? 'estimate',
    timeouts: {
      connectMs: msOf(timeouts.connect ?? '5s'),
      firstByteMs: msOf(timeouts.firstByte ?? '10min'),
      idleMs: msOf(timeouts.idle ?? '5min'),
      totalMs: msOf(timeouts.total ?? '1h'),
    },
    retries: input.retries ?? 1,
    breaker: {
      failures: breaker.failures ?? 5,
      pauseMs: msOf(breaker.pause ?? '5s'),
      pauseMaxMs: msOf(breaker.pauseMax ?? '60s'),
    },
    ...(health !== undefined && { health }),
    connectionsMax: input.connectionsMax ?? 1_024,
    ...(ca !== undefined && { ca }),
  }
}

/** The models of a configuration file in which there is no fault. */
export function readModels(input: unknown): readonly ModelSettings[] {
  const models = input as Readonly<
    Record<string, Pick<ModelSettings, 'to' | 'output'> & Partial<Pick<ModelSettings, 'limits'>>>
  >
  return Object.entries(models).map(([name, { to, limits = [], output }]) => ({
    name,
    to,
    limits: shortenLimits(limits),
    ...(output !== undefined && { output }),
  }))
}

/** A method and a path: `GET /api/ps`. A star, a percent sign or a dot segment would be no path. */
export function splitGatewayRoute(text: string): RouteSetting | undefined {
  const [, method, path = ''] = /^(GET|HEAD|POST) (\/\S*)$/.exec(text) ?? []
  const segments = path.slice(1).split('/')
  const isPath = path === '/' || segments.every((segment) => plain.test(segment) && !/^\.\.?$/.test(segment))
  return method === undefined || path.length > 128 || !isPath
    ? undefined
    : { method: method as RouteMethod, path }
}

const plain = /^(?:[A-Za-z0-9._~!$&'()+,=:@-]+|\{id\})$/

function readRoute(input: RouteInput): RouteSetting {
  const { route, scope } = typeof input === 'string' ? { route: input } : input
  const split = splitGatewayRoute(route)
  if (split === undefined) throw new TypeError('a route that was not checked')
  return scope === undefined ? split : { ...split, scope }
}

function msOf(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined) throw new TypeError('a duration that was not checked')
  return ms
}
