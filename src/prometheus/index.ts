/** Metrics for Prometheus: `prometheus()` for the option `telemetry` of `openModelward`. */
import '../core/runtime/require-node.ts'

export type { FigureName, MeasuredRequest, Measures } from '../telemetry/measures.ts'
export {
  type MetricsPage,
  type PrometheusListener,
  type PrometheusOptions,
  prometheus,
} from './prometheus.ts'
