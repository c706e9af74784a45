import { isNotInstalled } from '../../core/runtime/not-installed.ts'
import { SetupError } from '../../core/setup-error.ts'
import type { Tracing } from '../../telemetry/tracing.ts'
import type { ReportExport } from './reported-exporter.ts'

/** Spans that are exported. */
export interface StartedTracing {
  readonly tracing: Tracing
  /** Exports what is left, for as long as that may take at most; never rejects. */
  readonly close: () => Promise<void>
}

export interface StartTracingOptions {
  /** Where OpenTelemetry's own variables are; its SDK reads the process's own. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly traceOwners: boolean
  /** Gets how each export of spans by OTLP's JSON ended. */
  readonly onExport: ReportExport
}

/** How long the server waits at its end for a collector, in milliseconds. */
const flushMs = 2_000

const peers = '@opentelemetry/sdk-node @opentelemetry/exporter-trace-otlp-http'

/**
 * Starts OpenTelemetry's SDK where the environment names a collector; otherwise nothing of it is
 * loaded. Traces alone, unless the environment names exporters of metrics or logs, and spans of
 * ours alone: no package is instrumented. Undefined where nothing is exported.
 *
 * @throws SetupError `config_invalid` where the SDK is not installed, with the line that installs
 *   it, or where a sampler is not known
 */
export async function startTracing({
  env,
  traceOwners,
  onExport,
}: StartTracingOptions): Promise<StartedTracing | undefined> {
  if (!isAsked(env)) return undefined
  const { NodeSDK, OTLPTraceExporter } = await load()
  const { createBoundedSampler } = await import('./bounded-sampler.ts')
  const { reportExports } = await import('./reported-exporter.ts')
  const { createEarlyDecision } = await import('./decide-early.ts')
  const sampler = createBoundedSampler(env, () => performance.now())
  const { idGenerator, decideEarly } = createEarlyDecision(sampler.decideRoot)
  const { createOtelTracing } = await import('../../opentelemetry/otel-tracing.ts')
  // The SDK's own choice would export the command line, where secrets may stand.
  process.env['OTEL_NODE_RESOURCE_DETECTORS'] ??= 'env,host,os,serviceinstance'
  const sdk = new NodeSDK({
    sampler,
    idGenerator,
    serviceName: env['OTEL_SERVICE_NAME'] || 'modelward',
    textMapPropagator: null,
    ...(isJson(env) && { traceExporter: reportExports(new OTLPTraceExporter(), onExport) }),
    ...(!isSet(env['OTEL_METRICS_EXPORTER']) && { metricReaders: [] }),
    ...(!isSet(env['OTEL_LOGS_EXPORTER']) && { logRecordProcessors: [] }),
  })
  sdk.start()
  return {
    tracing: decideEarly(createOtelTracing(traceOwners)),
    close: () => within(flushMs, sdk.shutdown()),
  }
}

function isAsked(env: StartTracingOptions['env']): boolean {
  if (env['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true') return false
  if (env['OTEL_TRACES_EXPORTER']?.trim() === 'none') return false
  return isSet(env['OTEL_EXPORTER_OTLP_ENDPOINT']) || isSet(env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'])
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text.trim() !== ''
}

/** Whether the exporter is ours to choose: another protocol has another, which the SDK brings. */
function isJson(env: StartTracingOptions['env']): boolean {
  const { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: ofTraces, OTEL_EXPORTER_OTLP_PROTOCOL: ofAll } = env
  const protocol = isSet(ofTraces) ? ofTraces : ofAll
  return (!isSet(protocol) || protocol === 'http/json') && !isSet(env['OTEL_TRACES_EXPORTER'])
}

async function load() {
  try {
    const [{ NodeSDK }, { OTLPTraceExporter }] = await Promise.all([
      import('@opentelemetry/sdk-node'),
      import('@opentelemetry/exporter-trace-otlp-http'),
    ])
    return { NodeSDK, OTLPTraceExporter }
  } catch (cause) {
    if (!isNotInstalled(cause)) throw cause
    const says = `OTEL_EXPORTER_OTLP_ENDPOINT: to export traces, install OpenTelemetry's SDK: npm install ${peers}`
    throw new SetupError('config_invalid', says, { cause })
  }
}

/** A collector that does not answer must not hold up the end. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, ms)
  try {
    await Promise.race([work.catch(() => undefined), late.promise])
  } finally {
    clearTimeout(timer)
  }
}
