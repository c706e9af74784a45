import { createTelemetry, type OperationalEvent, type Telemetry } from '../../src/telemetry/telemetry.ts'

/** A telemetry that collects its events, and their names. */
export function collectEvents(): {
  readonly telemetry: Telemetry
  readonly events: OperationalEvent[]
  readonly names: string[]
} {
  const events: OperationalEvent[] = []
  const names: string[] = []
  const telemetry = createTelemetry([
    (event) => {
      events.push(event)
      names.push(event.name)
    },
  ])
  return { telemetry, events, names }
}
