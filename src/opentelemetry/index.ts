/** Spans by OpenTelemetry: `openTelemetry()` for the option `telemetry` of `openModelward`. */
import '../core/runtime/require-node.ts'

export { type OpenTelemetryListener, type OpenTelemetryOptions, openTelemetry } from './open-telemetry.ts'
