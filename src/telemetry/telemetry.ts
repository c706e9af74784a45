import { dropWhereItThrows } from './dropped-tracing.ts'
import type { EventFields } from './event-fields.ts'
import type { EventLevel, EventName } from './event-row.ts'
import { events } from './events.ts'
import type { Tracing } from './tracing.ts'

/** Something happened that an operator should know: a row of `events` with its fields. */
export type OperationalEvent = {
  readonly [Name in EventName]: {
    readonly name: Name
    readonly level: EventLevel
    /** The row's sentence. */
    readonly message: string
    readonly fields: EventFields[Name]
    /** What was thrown, if anything. Never for a client. */
    readonly cause?: unknown
  }
}[EventName]

/** Gets each event as it happens. One that throws loses that event and nothing else. */
export type OperationalEventListener = (event: OperationalEvent) => void

/** Where operational events go, and spans. */
export interface Telemetry {
  readonly event: <Name extends EventName>(name: Name, fields: EventFields[Name], cause?: unknown) => void
  /** Undefined where nothing listens to spans. */
  readonly tracing: Tracing | undefined
}

/** What listens beside the events. */
export interface TelemetryListener {
  /** Gets spans. @default none */
  readonly tracing?: Tracing | undefined
}

/**
 * Gives each event to each listener. A listener that throws loses that event; the caller goes on.
 */
export function createTelemetry(
  listeners: readonly OperationalEventListener[],
  { tracing }: TelemetryListener = {},
): Telemetry {
  return {
    tracing: tracing && dropWhereItThrows(tracing),
    event(name, fields, cause) {
      const { level, sentence } = events[name]
      // The union's members are built from one row each; TypeScript cannot see that name and fields
      // agree.
      const event = { name, level, message: sentence, fields, ...(cause !== undefined && { cause }) }
      for (const listener of listeners) notify(listener, event as OperationalEvent)
    },
  }
}

function notify(listener: OperationalEventListener, event: OperationalEvent): void {
  try {
    listener(event)
  } catch (thrown) {
    process.emitWarning(`modelward: a listener of events threw on ${event.name}`, { detail: String(thrown) })
  }
}

/** Drops every event. */
export const noTelemetry: Telemetry = { event() {}, tracing: undefined }
