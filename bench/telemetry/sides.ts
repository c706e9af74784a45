import type { ServerOptions } from '../../src/server/server-options.ts'

/** What is measured with and without. */
export type SideName = 'metrics' | 'no-op traces' | 'traces at 1 %'

export interface Side {
  readonly name: SideName
  /** Most that it may add to the CPU of a request. */
  readonly shareMax: number
  readonly describes: string
  /** What the server is started with that has it; the other has neither metrics nor traces. */
  readonly options: () => Promise<Partial<ServerOptions>>
}

/** @param collector where spans are exported to */
export function sidesOf(collector: string): readonly Side[] {
  return [
    {
      name: 'metrics',
      shareMax: 0.03,
      describes: '`--metrics guarded`, the default',
      options: async () => ({ metrics: 'guarded' }),
    },
    {
      name: 'no-op traces',
      shareMax: 0.005,
      describes: '`openTelemetry()` where the app has no SDK',
      async options() {
        const { createOtelTracing } = await import('../../src/opentelemetry/otel-tracing.ts')
        return { tracing: createOtelTracing() }
      },
    },
    {
      name: 'traces at 1 %',
      shareMax: 0.05,
      describes: "the server's own SDK, which exports to a collector in another process",
      async options() {
        process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = collector
        process.env['OTEL_TRACES_SAMPLER'] = 'parentbased_traceidratio'
        process.env['OTEL_TRACES_SAMPLER_ARG'] = '0.01'
        return {}
      },
    },
  ]
}
