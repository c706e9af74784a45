import type { NodeSDKConfiguration } from '@opentelemetry/sdk-node'

export type SpanExporter = NonNullable<NodeSDKConfiguration['traceExporter']>

/** How an export ended: what it failed with, or undefined. */
export type ReportExport = (fault: unknown) => void

/** An exporter that tells how each of its exports ended, which the SDK says to nothing of ours. */
export function reportExports(exporter: SpanExporter, report: ReportExport): SpanExporter {
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const hasFailed = result.code !== 0
        report(hasFailed ? (result.error ?? new Error('the collector refused spans')) : undefined)
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  }
}
