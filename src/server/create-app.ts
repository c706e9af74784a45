import { randomUUID } from 'node:crypto'
import { type FastifyInstance, type FastifyRequest, fastify } from 'fastify'
import { scopesOfRules } from '../config/forward-auth/forward-auth.ts'
import { createAddressList } from '../core/address-list.ts'
import { readClientAddress } from '../core/client-address.ts'
import type { Refusal } from '../core/refusal.ts'
import { modelward } from '../fastify/guard.ts'
import type { Gateway } from '../gateway/create-gateway.ts'
import { findRequestSpan } from '../guard/exchange/request-span.ts'
import type { JobService } from '../jobs/job-service.ts'
import type { ServedModel } from '../models/model.ts'
import type { StorageNodes } from '../storage/storage.ts'
import { createTelemetry, type Telemetry } from '../telemetry/telemetry.ts'
import type { Ward } from '../ward/ward.ts'
import type { WebhookService } from '../webhooks/webhook-service.ts'
import { addAdminJobRoutes } from './api/jobs/admin-job-routes.ts'
import type { JobFollowersOptions } from './api/jobs/job-followers.ts'
import { addJobRoutes, jobDemand } from './api/jobs/job-routes.ts'
import { addAdminWebhookRoutes, addWebhookRoutes } from './api/jobs/webhook-routes.ts'
import { addKeyRoutes } from './api/keys/key-routes.ts'
import { addOwnerRoutes } from './api/keys/owner-routes.ts'
import { addLedgerRoutes } from './api/ledger/ledger-routes.ts'
import { addNodeRoutes } from './api/node-routes.ts'
import { addForwardAuth, hideForwarded } from './auth/forward-auth.ts'
import { addVerifyRoute, directVerify } from './auth/verify.ts'
import { addDocsRoutes } from './docs/docs-routes.ts'
import { describeApi } from './docs/openapi.ts'
import { addSessionRoutes } from './docs/session-routes.ts'
import { answerWithSignIn } from './docs/sign-in-page.ts'
import { addHealthRoutes } from './health-routes.ts'
import { coalesceAnswers, setAnswerHeaders } from './http/answers.ts'
import { decideBadPath } from './http/bad-path.ts'
import { ByteBudget, budgetOf } from './http/byte-budget.ts'
import { boundBytesInFlight } from './http/bytes-in-flight.ts'
import { compileSchema } from './http/compile-schema.ts'
import { allowOrigins } from './http/cors.ts'
import { createDirectListener } from './http/direct-listener.ts'
import { answerError, handleErrors, logProblem, placeOf, traceIdsOf } from './http/handle-errors.ts'
import { checkFraming, createHttpServer, type HttpServerOptions } from './http/http-server.ts'
import { acceptJson } from './http/json-body.ts'
import { createLog, type Log, logEvents } from './http/log.ts'
import { refuseConnection } from './http/refuse-connection.ts'
import { createRequestLog, type RequestLog } from './http/request-log.ts'
import { refuseUnknownPath } from './http/unknown-path.ts'
import { addMetricsRoute, type MetricsSource } from './metrics-route.ts'
import { directPredictions } from './predict/direct-predictions.ts'
import { addModelRoutes } from './predict/model-routes.ts'
import { addModelsRoute } from './predict/models-route.ts'
import type { ServerOptions } from './server-options.ts'
import { createRequestTracing, type RequestTracing } from './traces/trace-requests.ts'

export interface AppDeps {
  readonly ward: Ward
  /** By name; the first is the one that `/predict` asks. */
  readonly models: ReadonlyMap<string, ServedModel>
  readonly jobs: JobService
  readonly webhooks: WebhookService
  /** @default one made from the options */
  readonly log?: Log
  /** Aborts when the server is on its way down. @default never */
  readonly closing?: AbortSignal
  /** Whether all is still served, and the server closes soon. @default it does not */
  readonly isDraining?: () => boolean
  /** What writes the page of metrics. @default none, and there is no `/metrics` */
  readonly metrics?: MetricsSource | undefined
  /** The nodes of a fleet. @default none: one server is all */
  readonly nodes?: StorageNodes | undefined
  /** What cannot be served just now though all else can. @default nothing */
  readonly degraded?: () => readonly string[]
  /** Whether the disk has stopped answering. @default it has not */
  readonly isStalled?: () => boolean
  /** Model servers that calls are forwarded to. @default none */
  readonly gateway?: Gateway | undefined
  /**
   * Where the server's events go, and its spans.
   *
   * @default events go to the log, and what clients say of their traces is passed on
   */
  readonly telemetry?: Telemetry
  /** How many may follow jobs at once. @default as `createJobFollowers` has it */
  readonly followers?: Pick<JobFollowersOptions, 'followersMax' | 'ownerFollowersMax'>
}

/** The whole app over a ward: what `startServer` listens with, and a test can `inject` into. */
export async function createApp(deps: AppDeps, options: ServerOptions): Promise<FastifyInstance> {
  const { ward, models, jobs, webhooks, gateway, closing = new AbortController().signal } = deps
  const log = deps.log ?? createAppLog(options)
  const requestLog = createRequestLog(options)
  const { telemetry = createTelemetry([logEvents(log)], { measures: ward.guard.measures }) } = deps
  const requestTracing = createRequestTracing(telemetry.tracing, options.keyHeader)
  const budget = new ByteBudget(budgetOf(options.inFlightMax))
  const direct = createDirectListener(
    { ward, log, requestLog, budget, closing, requestTracing },
    new Map([...directPredictions(models, options), directVerify(ward)]),
    options.corsOrigins,
  )
  const app = createFastify({ ...options, direct, requestTracing }, log, ward)
  if (telemetry.tracing !== undefined) requestTracing.follow(app)
  acceptJson(app)
  handleErrors(app, log)
  boundBytesInFlight(app, budget, (request) => ward.guard.find(request)?.known?.owner ?? request.ip)
  coalesceAnswers(app, log)
  app.addHook('onRequest', function checkHead(request, reply, done) {
    setAnswerHeaders(request, reply)
    done(checkFraming(request.raw))
  })
  if (options.trustProxy.length === 0) warnOfProxy(app, telemetry)
  await allowOrigins(app, { ...options, gateway: deps.gateway })
  await app.register(modelward, {
    ward,
    answersThrown: false,
    onUnrecorded: (request, fault) => logProblem(log, placeOf(request), fault),
    onRefused(request, reply, refusal) {
      logProblem(log, placeOf(request), refusal)
      return answerWithSignIn(request, reply, refusal)
    },
  })
  if (gateway !== undefined) {
    const { serveGateway } = await import('./gateway/serve-gateway.ts')
    serveGateway(app, { ...options, ward, jobs, gateway, budget, closing })
  }
  app.addHook('onRequest', function checkPath(request, _reply, done) {
    // Before the body is read: no route answers this request.
    done(request.is404 ? refuseUnknownPath(app, request) : undefined)
  })
  if (requestLog !== undefined) logRequests(app, ward, requestLog)
  await describeApi(app, ward.guard.describe())
  addModelRoutes(app, models, { ...options, ward, jobs, webhooks, closing })
  addModelsRoute(app, models)
  const demand = jobDemand(models.keys(), gateway !== undefined)
  addJobRoutes(app, { ...deps.followers, jobs, demand, closing })
  addAdminJobRoutes(app, jobs)
  addWebhookRoutes(app, { webhooks, jobs, demand })
  addAdminWebhookRoutes(app, webhooks)
  const askedScopes = scopesOfRules(options.forwardAuth)
  addKeyRoutes(app, { ...options, ward, models: [...models.keys()], askedScopes })
  addVerifyRoute(app, ward)
  addOwnerRoutes(app, ward)
  addLedgerRoutes(app, ward)
  addNodeRoutes(app, deps.nodes)
  const { monotonic = () => performance.now() } = options
  addForwardAuth(app, { ...options, guard: ward.guard, log, monotonic, event: telemetry.event })
  const { degraded = () => [], isStalled = () => false, isDraining = () => false } = deps
  const isClosing = (): boolean => closing.aborted || isDraining()
  addHealthRoutes(app, { ward, jobs, models, isClosing, degraded, isStalled })
  if (deps.metrics !== undefined && options.metrics !== 'off')
    addMetricsRoute(app, deps.metrics, options.metrics)
  addDocsRoutes(app, options.docs)
  addSessionRoutes(app, ward.guard)
  return app
}

export function createAppLog({ logLevel, keyHeader, logStream }: ServerOptions): Log {
  return createLog({ level: logLevel, keyHeader, stream: logStream })
}

function createFastify(
  options: ServerOptions & Pick<HttpServerOptions, 'direct'> & { readonly requestTracing: RequestTracing },
  log: Log,
  ward: Ward,
): FastifyInstance {
  const onRefused = ({ code, status }: Refusal): void =>
    ward.guard.measures.request({ route: null, method: null, status, code, ms: null })
  return fastify({
    bodyLimit: options.bodyMax,
    // An owner may be longer than Fastify's 100 characters; the route refuses what is too long.
    routerOptions: { maxParamLength: options.headersMax },
    trustProxy: trustedProxies(options.trustProxy),
    rewriteUrl: hideForwarded,
    genReqId: () => randomUUID(),
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: (error, socket) => refuseConnection(error, socket, onRefused),
    serverFactory: (handler) =>
      createHttpServer(handler, { ...options, trace: options.requestTracing.begin, onRefused }),
    schemaController: {
      compilersFactory: {
        buildValidator: () => compileSchema as never,
        buildSerializer: () => () => JSON.stringify,
      },
    },
    async frameworkErrors(error, request, reply) {
      options.requestTracing.note(request as FastifyRequest)
      setAnswerHeaders(request, reply)
      // Never rejects: Fastify drops this promise, and an unhandled rejection would end the
      // process.
      return answerError(log, request, reply, await decideBadPath(ward.guard, request, error))
    },
  }) as FastifyInstance
}

/**
 * Tells the proxies of an `X-Forwarded-For` chain from the client. A proxy may stand there with its
 * port (RFC 7239 §6), which Fastify's own reader takes for a client.
 */
function trustedProxies(blocks: readonly string[]): false | ((address: string) => boolean) {
  const proxies = createAddressList(blocks)
  return proxies === undefined ? false : (address) => proxies.has(readClientAddress(address))
}

/** Tells once that a proxy names clients which nothing believes: all of them count as the proxy. */
function warnOfProxy(app: FastifyInstance, { event }: Telemetry): void {
  let hasWarned = false
  app.addHook('onRequest', function noticeProxy(request, _reply, done) {
    if (!hasWarned && request.headers['x-forwarded-for'] !== undefined) {
      hasWarned = true
      const trace = findRequestSpan(request)?.context
      event('server.proxy_untrusted', {}, undefined, { requestId: request.id, trace })
    }
    done()
  })
}

function logRequests(app: FastifyInstance, ward: Ward, tell: RequestLog): void {
  app.addHook('onResponse', function logRequest(request, reply, done) {
    tell({
      id: request.id,
      trace: traceIdsOf(request),
      method: request.method,
      route: request.routeOptions.url ?? null,
      status: reply.statusCode,
      ms: reply.elapsedTime,
      caller: ward.guard.find(request)?.known ?? null,
      address: readClientAddress(request.ip),
    })
    done()
  })
}
