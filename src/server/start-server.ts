import { resolve } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { packageVersion } from '../core/runtime/package-version.ts'
import { awaitedScheduler, type Scheduler } from '../core/scheduler.ts'
import { apiKeyHeader, bearer, type Scheme } from '../guard/scheme.ts'
import type { JobModels } from '../jobs/worker/ask-model.ts'
import { createModelRuntime, type ModelRuntime, type ModelRuntimeOptions } from '../models/model-runtime.ts'
import type { Gathered } from '../prometheus/prometheus.ts'
import type { LedgerStorageOptions, Serving, Storage } from '../storage/storage.ts'
import { createOutageReport, type OutageReport } from '../telemetry/outage-report.ts'
import { createTelemetry, type Telemetry } from '../telemetry/telemetry.ts'
import type { Tracing } from '../telemetry/tracing.ts'
import { type OpenWard, type OpenWardOptions, openWard } from '../ward/open-ward.ts'
import type { JobsOptions } from '../ward/ward-jobs.ts'
import { awaitStores, untilReached } from './await-stores.ts'
import { openControlSocket } from './control-socket.ts'
import { createApp, createAppLog } from './create-app.ts'
import { beginFirstKeys, findFirstKeysFile, issueFirstKeys } from './first-keys.ts'
import { endCallsLeft } from './gateway/end-calls-left.ts'
import { createGatewayJobs, type GatewayJobs } from './gateway/gateway-jobs.ts'
import { openGateway } from './gateway/open-gateway.ts'
import { viewUpstreamsAtStart } from './gateway/view-start.ts'
import { budgetOf } from './http/byte-budget.ts'
import { closeApp, countUnderWay, trackConnections } from './http/close-app.ts'
import { type Log, logEvents } from './http/log.ts'
import { listenErrorOf } from './listen-error.ts'
import { jobModelsOf } from './predict/job-models.ts'
import type { RunningServer, ServerOptions } from './server-options.ts'
import type { ReportExport } from './traces/reported-exporter.ts'
import { startTracing } from './traces/start-tracing.ts'

/**
 * Loads the models, opens the data folder and answers requests.
 *
 * @throws SetupError if it cannot start; everything that was opened is closed again
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const opened: Close[] = []
  try {
    const { drain, telemetry, countUnderWay, ...running } = await open(options, opened)
    const { address } = running
    telemetry.event('server.started', { address, version: packageVersion })
    const close = async (drains: boolean): Promise<void> => {
      telemetry.event('server.stopping', { in_flight: countUnderWay() })
      if (drains) await drain()
      await closeAll(opened)
      telemetry.event('server.stopped', {})
    }
    let closed: Promise<void> | undefined
    return {
      ...running,
      close({ drain: drains = true } = {}) {
        closed ??= close(drains)
        return closed
      },
    }
  } catch (error) {
    await closeAll(opened)
    throw error
  }
}

/** In front of other model servers it serves models of its own where it is told which. */
function servesModels({ gateway, model, servedModels = model }: ServerOptions): boolean {
  return gateway === undefined || servedModels.length > 0
}

const noModels: ModelRuntime = { models: new Map(), close: async () => {} }

/** The one server of a folder, in what it reserves; a node has a name of its own. */
const onlyServer = 'server'

type Close = () => Promise<void> | void

interface OpenServer extends Omit<RunningServer, 'close'> {
  readonly drain: () => Promise<void>
  readonly telemetry: Telemetry
  readonly countUnderWay: () => number
}

/** Opens one after the other; `opened` gets how to close each, in reverse. */
async function open(options: ServerOptions, opened: Close[]): Promise<OpenServer> {
  const log = createAppLog(options)
  const { metrics, telemetry } = await openListeners(options, log, opened)
  const models = await openModels(options, log, telemetry, opened)
  const isFleet = options.databaseUrl !== undefined
  const { scheduler = awaitedScheduler, shutdownGrace: graceMs } = options
  const calls = createGatewayJobs(options.gateway, budgetOf(options.inFlightMax))
  const { ward, storage } = await openStores(wardOptions(options, models, calls, telemetry), options, opened)
  const serving = await beginServing(storage, isFleet, opened)
  const { jobs, webhooks } = ward
  if (jobs === undefined || webhooks === undefined) throw new Error('the ward was opened without jobs')
  const gateway = await openGateway(options, ward, telemetry, log, calls)
  opened.push(async () => gateway?.close())
  opened.push(await endCallsLeft(options, { ward, storage, scheduler, telemetry }))
  const closing = new AbortController()
  const { degraded, isStalled, nodes } = storage
  let isDraining = false
  const app = await createApp(
    {
      ward,
      models,
      jobs,
      webhooks,
      log,
      metrics,
      closing: closing.signal,
      nodes,
      degraded,
      isStalled,
      telemetry,
      gateway,
      isDraining: () => isDraining,
    },
    options,
  )
  const connections = trackConnections(app.server)
  opened.push(async () => {
    closing.abort()
    await Promise.all([closeApp(app, connections, graceMs, gateway?.shutDown), jobs.close({ graceMs })])
  })
  const address = await listen(app, options)
  serving.announce(address)
  const controlled = { limits: ward.limits, upstreams: gateway?.upstreams }
  if (!isFleet) opened.push(await openControlSocket(resolve(options.data), controlled, log))
  // Only now: keys made for a server that then cannot listen would never be shown.
  await reportFirstKeys({ ward, storage }, { ...options, scheduler }, address, telemetry)
  return {
    address,
    upstreams: gateway && (() => viewUpstreamsAtStart(gateway)),
    isStalled,
    metrics: metrics?.numbers,
    telemetry,
    countUnderWay: () => countUnderWay(connections),
    async drain() {
      isDraining = true
      const { shutdownDelay: delayMs } = options
      if (delayMs > 0) await new Promise<void>((resolve) => scheduler.after(delayMs, resolve))
    },
  }
}

async function beginServing(storage: Storage, isFleet: boolean, opened: Close[]): Promise<Serving> {
  const serving = await storage.startServing()
  opened.push(serving.end)
  // What a node of a fleet reserved that was killed is freed by those that look for it.
  if (!isFleet) await storage.jobs?.releaseLeft(onlyServer)
  return serving
}

async function openModels(
  options: ServerOptions,
  log: Log,
  telemetry: Telemetry,
  opened: Close[],
): Promise<ModelRuntime['models']> {
  const runtime = servesModels(options)
    ? await createModelRuntime(modelOptions(options, log, telemetry))
    : noModels
  opened.push(() => runtime.close())
  return runtime.models
}

/** The stores of a fleet may be out while it starts. */
async function openStores(
  wardOptions: OpenWardOptions & { readonly telemetry: Telemetry },
  options: ServerOptions,
  opened: Close[],
): Promise<OpenWard> {
  const { databaseUrl, scheduler = awaitedScheduler } = options
  const open = (): Promise<OpenWard> => openWard(wardOptions)
  const { telemetry } = wardOptions
  const stores =
    databaseUrl === undefined ? await open() : await awaitStores(open, { ...options, scheduler, telemetry })
  opened.push(() => stores.ward.close())
  return stores
}

interface Listeners {
  readonly metrics: Gathered | undefined
  readonly telemetry: Telemetry
}

/** What listens to the server: its log, and metrics and traces where they are on. */
async function openListeners(options: ServerOptions, log: Log, opened: Close[]): Promise<Listeners> {
  // Spans are exported by what is there before the events are.
  let exports: OutageReport | undefined
  const onExport = (fault: unknown): void => {
    if (fault === undefined) exports?.passed()
    else exports?.failed(fault)
  }
  const tracing = options.tracing ?? (await openTracing(options, onExport, opened))
  const metrics = await openMetrics(options)
  const telemetry = createTelemetry([logEvents(log)], { tracing, measures: metrics?.measures })
  exports = createOutageReport('traces.not_exported', telemetry, {})
  return { metrics, telemetry }
}

/** Undefined where the environment names no collector. */
async function openTracing(
  { traceOwners }: ServerOptions,
  onExport: ReportExport,
  opened: Close[],
): Promise<Tracing | undefined> {
  const started = await startTracing({ env: process.env, traceOwners, onExport })
  if (started !== undefined) opened.push(started.close)
  return started?.tracing
}

async function closeAll(opened: readonly Close[]): Promise<void> {
  for (const close of opened.toReversed()) await close()
}

/** Loads nothing where they may not be read. */
async function openMetrics({ metrics, gatherMetrics }: ServerOptions): Promise<Gathered | undefined> {
  if (metrics === 'off') return undefined
  const { createPrometheus } = await import('../prometheus/prometheus.ts')
  const opened = createPrometheus({}, () => performance.now(), gatherMetrics)
  await opened.open()
  return opened
}

function modelOptions(options: ServerOptions, log: Log, { measures }: Telemetry): ModelRuntimeOptions {
  return {
    models: options.servedModels ?? options.model,
    deadlineMs: options.modelDeadline,
    loadMs: options.modelLoadDeadline,
    waitingMax: options.queueMax,
    threads: options.modelThreads === 'auto' ? undefined : options.modelThreads,
    onEvent: logEvents(log),
    measures,
  }
}

function wardOptions(
  options: ServerOptions,
  models: ModelRuntime['models'],
  { lanes }: GatewayJobs,
  telemetry: Telemetry,
): OpenWardOptions & { readonly telemetry: Telemetry } {
  return {
    ...options,
    create: true,
    storeUsage: 'always',
    diskReserveBytes: options.diskReserve,
    schemes: options.scheme.map((name) => schemeOf(name, options.keyHeader)),
    format: { prefix: options.keyPrefix, environment: options.environment },
    ledger: ledgerOptions(options),
    jobs: jobOptions(options, new Map([...jobModelsOf(models), ...lanes])),
    onShadow: ({ use }, of) => telemetry.event('limiter.shadow_refused', { limit: use.name }, undefined, of),
    telemetry,
  }
}

function ledgerOptions(options: ServerOptions): LedgerStorageOptions {
  const { ledgerKeep, ledgerMax, usageKeep, onCheckpoint } = options
  return {
    keepMs: ledgerKeep === 'forever' ? undefined : ledgerKeep,
    usageKeepMs: usageKeep === 'forever' ? undefined : usageKeep,
    bytesMax: ledgerMax === 'unlimited' ? undefined : ledgerMax,
    onCheckpoint,
  }
}

function jobOptions(options: ServerOptions, models: JobModels): JobsOptions {
  return {
    reserver: onlyServer,
    models,
    concurrency: options.jobWorkers === 'auto' ? undefined : options.jobWorkers,
    jobsMax: options.queueMax,
    ownerJobsMax: options.queueOwnerMax,
    bytesMax: options.jobsMaxBytes,
    ownerBytesMax: options.jobsOwnerBytes,
    attemptsMax: options.jobAttempts,
    keepMs: options.jobKeep,
    leaseMs: options.jobLease,
    deadlineMs: options.jobDeadline,
    webhooks: { allow: options.webhooksAllow, allowHttp: options.webhooksAllowHttp },
    // Of what is left then, which is webhooks under way.
    graceMs: Math.min(options.shutdownGrace, 2_000),
  }
}

function schemeOf(name: 'header' | 'bearer', keyHeader: string): Scheme {
  return name === 'bearer' ? bearer() : apiKeyHeader({ name: keyHeader })
}

async function reportFirstKeys(
  stores: OpenWard,
  options: ServerOptions & { readonly scheduler: Scheduler },
  address: string,
  telemetry: Telemetry,
): Promise<void> {
  const { databaseUrl, scheduler, firstKeys: to = 'file', onFirstKeys } = options
  const attempt = beginFirstKeys()
  const left = findFirstKeysFile(options)
  async function report(): Promise<void> {
    const issued = await issueFirstKeys({ ...stores, to }, attempt)
    if (issued !== undefined) onFirstKeys?.({ address, ...issued })
  }
  await (databaseUrl === undefined ? report() : untilReached(report, scheduler))
  if (left !== undefined) telemetry.event('config.first_keys_left', { path: left })
}

async function listen(app: FastifyInstance, { host, port }: ServerOptions): Promise<string> {
  try {
    await app.listen({ host, port })
  } catch (cause) {
    throw listenErrorOf(cause, { host, port })
  }
  const bound = app.server.address()
  const boundPort = typeof bound === 'object' && bound !== null ? bound.port : port
  return `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}`
}
