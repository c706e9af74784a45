import type { UpstreamSettings } from '../../../src/gateway/gateway-settings.ts'
import type { Preset } from '../../../src/gateway/presets/preset.ts'
import { openUpstream, type UpstreamDeps } from '../../../src/gateway/upstreams/open-upstream.ts'
import type {
  Attempt,
  AttemptError,
  AttemptListener,
  Upstream,
  UpstreamRequest,
} from '../../../src/gateway/upstreams/upstream.ts'
import { collectEvents } from '../../support/collect-events.ts'

/** What the operator sets; `health: undefined` is one that is not set. */
type Changed = Omit<Partial<UpstreamSettings>, 'health'> & { readonly health?: string | null | undefined }

/** An upstream as the operator has it who sets nothing. */
function settingsOf(url: string, { health, ...changed }: Changed): UpstreamSettings {
  return {
    name: 'local',
    url,
    preset: 'custom',
    models: 'any',
    allow: [],
    close: [],
    allowFields: [],
    tokens: { perByte: 1, template: 512, output: 4096, image: 4096 },
    abandoned: 'estimate',
    timeouts: { connectMs: 5_000, firstByteMs: 600_000, idleMs: 300_000, totalMs: 3_600_000 },
    retries: 1,
    breaker: { failures: 5, pauseMs: 5_000, pauseMaxMs: 60_000 },
    connectionsMax: 1_024,
    ...(health !== undefined && { health }),
    ...changed,
  }
}

const bare: Preset = {
  name: 'custom',
  routes: [],
  management: [],
  closedFields: [],
  refusesMediaByUrl: true,
  hasTags: false,
  models: 'any',
}

export interface OpenedUpstream extends AsyncDisposable {
  readonly upstream: Upstream
  readonly events: ReturnType<typeof collectEvents>
  /** Sends a request whose first byte may take ten minutes. */
  readonly send: (request?: Partial<UpstreamRequest>, also?: Partial<AttemptListener>) => Sent
}

/** Opens an upstream that is closed when the test is over. */
export function openTestUpstream(
  url: string,
  changed: Changed = {},
  deps: Partial<UpstreamDeps> = {},
  preset: Partial<Preset> = {},
): OpenedUpstream {
  const events = collectEvents()
  const monotonic = deps.monotonic ?? (() => performance.now())
  const upstream = openUpstream(
    settingsOf(url, changed),
    { ...bare, ...preset },
    { telemetry: events.telemetry, env: {}, ...deps },
  )
  return {
    upstream,
    events,
    send: (request, also) => sendTo(upstream, request, monotonic() + 600_000, also),
    [Symbol.asyncDispose]: () => upstream.close(),
  }
}

/** What becomes of one attempt. */
export interface Sent {
  readonly attempt: Attempt
  readonly pieces: readonly Buffer[]
  readonly text: () => string
  readonly head: Promise<Head>
  /** Each resolves with the next piece that comes, the first of those that were not awaited. */
  readonly piece: () => Promise<Buffer>
  /** How it ends: undefined where the answer is whole. */
  readonly end: Promise<AttemptError | undefined>
  /** How often a head, an end or an error was heard. */
  readonly heard: { heads: number; ends: number }
}

export interface Head {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>
}

export function sendTo(
  upstream: Upstream,
  request: Partial<UpstreamRequest> | undefined,
  firstByteBy: number,
  also: Partial<AttemptListener> = {},
): Sent {
  const head = Promise.withResolvers<Head>()
  const end = Promise.withResolvers<AttemptError | undefined>()
  const pieces: Buffer[] = []
  const heard = { heads: 0, ends: 0 }
  let taken = 0
  let waiting: (() => void) | undefined
  const attempt = upstream.send(
    { method: 'POST', path: '/call', headers: {}, body: Buffer.from('{}'), ...request },
    {
      onHead(status, headers) {
        heard.heads += 1
        head.resolve({ status, headers })
      },
      onPiece(piece) {
        pieces.push(piece)
        also.onPiece?.(piece)
        waiting?.()
      },
      onEnd() {
        heard.ends += 1
        also.onEnd?.()
        end.resolve(undefined)
      },
      onError(error) {
        heard.ends += 1
        end.resolve(error)
      },
    },
    firstByteBy,
  )
  return {
    attempt,
    pieces,
    text: () => Buffer.concat(pieces).toString(),
    head: head.promise,
    end: end.promise,
    heard,
    async piece() {
      if (taken >= pieces.length) await new Promise<void>((resolve) => (waiting = resolve))
      taken += 1
      return pieces[taken - 1] as Buffer
    },
  }
}
