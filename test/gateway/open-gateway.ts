import { generateKeyPairSync } from 'node:crypto'
import { createGateway, type Gateway, type GatewayDeps } from '../../src/gateway/create-gateway.ts'
import type { GatewaySettings, UpstreamSettings } from '../../src/gateway/gateway-settings.ts'
import { bearer } from '../../src/guard/scheme.ts'
import type { NewKey } from '../../src/keys/fields/new-key.ts'
import type { LedgerEntry } from '../../src/ledger/format/record.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { createApp } from '../../src/server/create-app.ts'
import { createGatewayJobs } from '../../src/server/gateway/gateway-jobs.ts'
import { budgetOf } from '../../src/server/http/byte-budget.ts'
import type { ServerOptions } from '../../src/server/server-options.ts'
import { createTelemetry } from '../../src/telemetry/telemetry.ts'
import { type AppPartsOptions, openAppParts } from '../support/app-parts.ts'
import { createMemoryLedger } from '../support/memory-ledger.ts'
import { openTestWard, type TestWard, type TestWardOptions } from '../support/open-test-ward.ts'
import { appOptions } from '../support/test-app.ts'
import { testUpstream } from '../support/test-upstream.ts'

export type TestUpstream = Parameters<typeof testUpstream>[0]

export interface OpenGatewayOptions extends Partial<Omit<GatewaySettings, 'upstreams'>> {
  readonly upstreams: readonly TestUpstream[]
  readonly ward?: TestWardOptions
  readonly server?: Partial<ServerOptions>
  /** Of jobs and kept answers. */
  readonly parts?: AppPartsOptions
  readonly env?: Readonly<Record<string, string>>
  /** The clocks of upstreams and calls, and what their waits are drawn by. */
  readonly time?: Pick<GatewayDeps, 'monotonic' | 'scheduler' | 'random'>
  /** Stands before the ledger, to fail or to hold. */
  readonly ledger?: (ledger: Ledger) => Ledger
}

/** A gateway that listens on loopback, over a ward in memory. */
export interface OpenGateway extends AsyncDisposable {
  readonly url: string
  readonly ward: TestWard
  readonly gateway: Gateway
  /** Lines of the log. */
  readonly lines: readonly string[]
  /** What was recorded of requests, oldest first. */
  readonly records: () => readonly LedgerEntry[]
  /** The same of jobs. */
  readonly jobRecords: () => readonly LedgerEntry[]
  readonly createKey: (key?: Partial<NewKey>) => Promise<string>
  readonly post: (path: string, body: unknown, more?: Post) => Promise<Response>
}

export interface Post {
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  readonly method?: string
}

export async function openGateway(options: OpenGatewayOptions): Promise<OpenGateway> {
  const {
    upstreams,
    ward: wardOptions,
    server,
    parts: ownParts,
    env = {},
    ledger: wrap = (one) => one,
    time,
    ...own
  } = options
  const memory = createMemoryLedger({ signingKey: generateKeyPairSync('ed25519').privateKey })
  const entries: LedgerEntry[] = []
  const ledger = wrap(memory)
  const watched: Ledger = {
    ...ledger,
    append: async (entry) => {
      await ledger.append(entry)
      entries.push(entry)
    },
  }
  const lines: string[] = []
  const ward = await openTestWard({ ledger: watched, schemes: [bearer()], clock: Date.now, ...wardOptions })
  const settings: GatewaySettings = {
    models: [],
    bodyMax: 16 * 1_048_576,
    answerMax: 8 * 1_048_576,
    ...own,
    upstreams: upstreams.map((one) => testUpstream(one)) as readonly UpstreamSettings[],
  }
  const jobs = createGatewayJobs(settings, budgetOf('auto'))
  const parts = await openAppParts(ward, {
    models: [],
    ...ownParts,
    jobs: { models: jobs.lanes, limiter: ward.limiter, random: () => 0, ...ownParts?.jobs },
  })
  const log = (text: string, fields: object): void => void lines.push(JSON.stringify({ text, ...fields }))
  const gateway = createGateway(settings, {
    guard: ward.guard,
    telemetry: createTelemetry([(event) => void lines.push(JSON.stringify(event))]),
    env,
    ...time,
    log,
    onFault: (_request, fault) => log(fault.message, { code: fault.code }),
  })
  jobs.open(gateway)
  const logStream = { write: (line: string) => void lines.push(line) }
  const app = await createApp(
    { ...parts, gateway },
    { ...appOptions, logLevel: 'debug', logStream, ...server },
  )
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const first = await ward.keys.create({ name: 'first' })
  return {
    url,
    ward,
    gateway,
    lines,
    records: () => entries.filter(({ event }) => event.startsWith('request.')),
    jobRecords: () => entries.filter(({ event }) => event.startsWith('job.')),
    createKey: async (key) => (await ward.keys.create({ name: 'k', ...key })).text,
    post: (path, body, { key = first.text, headers = {}, signal, method = 'POST' } = {}) =>
      fetch(url + path, {
        method,
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
        headers: {
          ...(key !== '' && { authorization: `Bearer ${key}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(signal && { signal }),
      }),
    async [Symbol.asyncDispose]() {
      app.server.closeAllConnections()
      await app.close()
      await parts.close()
      await gateway.close()
    },
  }
}
