import { Refusal } from '../core/refusal.ts'
import { createRetries } from '../core/retries.ts'
import { processScheduler, type Scheduler } from '../core/scheduler.ts'
import type { Clock } from '../core/time.ts'
import type { Guard } from '../guard/guard.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { createPromptRatios } from './answer/estimate-usage.ts'
import type { CallDeps } from './call/call-deps.ts'
import { forwardCall } from './call/forward-call.ts'
import type { IncomingCall } from './call/incoming-call.ts'
import { type AcceptedCall, acceptCall, type JobInput } from './call/job-call.ts'
import { createJobKeys } from './call/job-keys.ts'
import { createOpenCalls } from './call/open-calls.ts'
import { type AdmittedCall, admitCall } from './call/prepare-call.ts'
import { createPromptCounts } from './call/prompt-counts.ts'
import { type JobCallOptions, runJob } from './call/run-job.ts'
import { createUpstreamPlaces } from './call/upstream-places.ts'
import { createModelDirectory, mayUse } from './directory/model-directory.ts'
import type { GatewaySettings } from './gateway-settings.ts'
import { presets } from './presets/presets.ts'
import { createGatewayRoutes, type GatewayRoutes } from './routes/gateway-routes.ts'
import type { OpenRoute } from './routes/open-route.ts'
import { openUpstream } from './upstreams/open-upstream.ts'
import type { Upstream } from './upstreams/upstream.ts'
import { type UpstreamView, viewUpstream } from './upstreams/view-upstream.ts'

export interface GatewayDeps {
  readonly guard: Guard
  readonly telemetry: Telemetry
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: CallDeps['log']
  readonly onFault: CallDeps['onFault']
  /** @default performance.now */
  readonly monotonic?: Clock
  /** @default the process's own timers */
  readonly scheduler?: Scheduler
  /** For waits between tries, from 0 on and below 1. @default Math.random */
  readonly random?: () => number
}

/** The guard in front of model servers. */
export interface Gateway {
  readonly settings: GatewaySettings
  readonly routes: GatewayRoutes
  /** See `forwardCall`. */
  readonly forward: (call: Omit<IncomingCall, 'upstreams'>, take: () => void) => Promise<void>
  /** See `admitCall`: the first step of a call that is to be answered later. */
  readonly admit: (call: Omit<IncomingCall, 'upstreams'>) => Promise<AdmittedCall>
  /** See `acceptCall`: the second step. */
  readonly reserve: (call: Omit<IncomingCall, 'upstreams'>, admitted: AdmittedCall) => Promise<AcceptedCall>
  /**
   * See `runJob`.
   *
   * @throws Refusal `key_revoked` or `key_disabled`, before it begins and while it runs;
   *   `not_found` where its route is no longer open
   */
  readonly runJob: (
    input: JobInput,
    call: Pick<JobCallOptions, 'owner' | 'signal' | 'span' | 'onUsed'> & { readonly keyId: string },
  ) => Promise<string>
  /** The public names that a key with these scopes may use on a route, sorted. */
  readonly modelsFor: (scopes: readonly string[], route: OpenRoute) => Promise<readonly string[]>
  /**
   * The public name of a model that a key with these scopes may use on a route.
   *
   * @param name as a call would say it
   * @throws Refusal `model_not_found`; Fault `upstream_unavailable`
   */
  readonly modelFor: (scopes: readonly string[], route: OpenRoute, name: string) => Promise<string>
  readonly upstreams: () => readonly UpstreamView[]
  readonly callsOpen: () => number
  /** Ends the calls that are left, and resolves when all are recorded. */
  readonly shutDown: () => Promise<void>
  /** Tries once more, within 2 s, what could not be settled or recorded as calls ended. */
  readonly close: () => Promise<void>
}

/** @throws SetupError `config_invalid` for upstreams that cannot be served together */
export function createGateway(settings: GatewaySettings, options: GatewayDeps): Gateway {
  const { guard, telemetry, env, log, onFault } = options
  const { monotonic = () => performance.now(), scheduler = processScheduler } = options
  const { random = Math.random } = options
  const routes = createGatewayRoutes(settings.upstreams)
  const upstreams = settings.upstreams.map((upstream) =>
    openUpstream(upstream, presets[upstream.preset], { telemetry, env, scheduler, monotonic }),
  )
  const calls = createOpenCalls(guard, scheduler)
  const jobKeys = createJobKeys(guard, scheduler)
  const retries = createRetries(scheduler, random)
  const models = createModelDirectory(settings.models, upstreams)
  const places = createUpstreamPlaces()
  const deps: CallDeps = {
    guard,
    models,
    ratios: createPromptRatios(),
    calls,
    retries,
    places,
    counts: createPromptCounts(places, monotonic),
    telemetry,
    monotonic,
    scheduler,
    answerMax: settings.answerMax,
    log,
    onFault,
  }
  const serving = (route: OpenRoute): readonly Upstream[] => {
    const names = route.servers.map(({ upstream }) => upstream.name)
    return upstreams.filter(({ settings: { name } }) => names.includes(name))
  }
  return {
    settings,
    routes,
    forward: (call, take) => forwardCall(deps, { ...call, upstreams: serving(call.route) }, take),
    admit: (call) => admitCall(deps, { ...call, upstreams: serving(call.route) }),
    reserve: (call, admitted) => acceptCall(deps, { ...call, upstreams: serving(call.route) }, admitted),
    async runJob(input, { keyId, ...call }) {
      const route = routes.open.find(({ method, path }) => method === 'POST' && path === input.path)
      if (route === undefined) throw new Refusal('not_found', 'The route of this call is no longer open.')
      const upstreams = serving(route)
      return jobKeys.run(keyId, call.signal, (signal) =>
        runJob(deps, input, { ...call, signal, route, upstreams }),
      )
    },
    modelsFor: (scopes, route) => models.list(scopes, serving(route)),
    async modelFor(scopes, route, name) {
      const model = await models.resolve(name, serving(route))
      if (!mayUse(scopes, model.scopes))
        throw new Refusal('model_not_found', undefined, { reason: 'scope_missing' })
      return model.publicName
    },
    upstreams: () => upstreams.map((upstream) => viewUpstream(upstream.status())),
    callsOpen: calls.size,
    shutDown: calls.shutDown,
    async close() {
      calls.close()
      jobKeys.close()
      // Those that go on though their client has gone.
      await calls.shutDown()
      await retries.close()
      await Promise.all(upstreams.map((upstream) => upstream.close()))
    },
  }
}
