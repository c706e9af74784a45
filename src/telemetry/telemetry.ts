import { processScheduler, type Scheduler } from '../core/scheduler.ts'
import { dropMeasuresWhereTheyThrow } from './dropped-measures.ts'
import { dropWhereItThrows } from './dropped-tracing.ts'
import type { EventFields, RequestEventName } from './event-fields.ts'
import type { EventLevel, EventName } from './event-row.ts'
import { events } from './events.ts'
import { ExplainedEvents, type Explains } from './explained-events.ts'
import { type Measures, noMeasures } from './measures.ts'
import { createOnceAMinute } from './once-a-minute.ts'
import type { OutageName } from './outages.ts'
import type { TraceContext } from './trace-context.ts'
import type { AskedTracing, Tracing } from './tracing.ts'

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
    /** The request that caused it, where one did: the id that its answer carries. */
    readonly requestId?: string
    /** The trace of that request and its span there, where it is traced. */
    readonly trace?: TraceContext
  }
}[EventName]

/** The request that caused something, as its log lines name it. */
export interface EventOrigin {
  /** The id that its answer carries; null where no request did. */
  readonly requestId: string | null
  /** Its span; undefined where it is not traced. */
  readonly trace: TraceContext | undefined
}

/** What was thrown, and, of an event that one request can cause, that request. */
type EventCause<Name extends EventName> = Name extends RequestEventName
  ? [cause: unknown, of: EventOrigin | undefined]
  : [cause?: unknown]

/** Gets each event as it happens. One that throws loses that event and nothing else. */
export type OperationalEventListener = (event: OperationalEvent) => void

/** Where operational events go, numbers, and spans. */
export interface Telemetry {
  /**
   * `times` is counted here: see `EventRow.isBrief`. Where it counts several, no one request is
   * named.
   */
  readonly event: <Name extends EventName>(
    name: Name,
    fields: Omit<EventFields[Name], 'times'>,
    ...of: EventCause<Name>
  ) => void
  /**
   * From now on events tell whether this is out: what it explains waits a moment, or is not said.
   * See `EventRow.explainedBy`.
   *
   * @param explains which events it is the reason of, by name and cause. @default all
   */
  readonly mayBeOut: (name: OutageName, explains?: Explains) => void
  /** Takes none where nothing listens to them. */
  readonly measures: Measures
  /** Undefined where nothing listens to spans. */
  readonly tracing: AskedTracing | undefined
}

/** What listens beside the events. */
export interface TelemetryListener {
  /** Gets numbers. @default none */
  readonly measures?: Measures | undefined
  /** Gets spans. @default none */
  readonly tracing?: Tracing | undefined
}

/**
 * Gives each event to each listener. A listener that throws loses that event; the caller goes on.
 *
 * @param scheduler ends the minutes of what is said once a minute
 */
export function createTelemetry(
  listeners: readonly OperationalEventListener[],
  { tracing, measures: taken }: TelemetryListener = {},
  scheduler: Pick<Scheduler, 'after'> = processScheduler,
): Telemetry {
  const measures = taken === undefined ? noMeasures : dropMeasuresWhereTheyThrow(taken)
  const onceAMinute = createOnceAMinute(scheduler)
  const explained = new ExplainedEvents(scheduler)

  function say(name: EventName, fields: object, cause: unknown, of: EventOrigin | undefined): void {
    const { level, sentence, isBrief } = events[name]
    const tell = (all: object, origin: EventOrigin | undefined): void => {
      measures.event(name)
      // The union's members are built from one row each; TypeScript cannot see that name and
      // fields agree.
      const thrown = cause !== undefined && { cause }
      const event = { name, level, message: sentence, fields: all, ...thrown, ...saidOf(origin) }
      for (const listener of listeners) notify(listener, event as OperationalEvent)
    }
    if (isBrief !== true) tell(fields, of)
    // The fields of such events have few values.
    else
      onceAMinute(`${name} ${JSON.stringify(fields)}`, (times) =>
        tell({ ...fields, times }, times === 1 ? of : undefined),
      )
  }

  return {
    measures,
    tracing: tracing && dropWhereItThrows(tracing),
    mayBeOut: (name, explains) => explained.mayBeOut(name, explains),
    event: (name, fields, ...[cause, of]) =>
      explained.event({ name, fields, cause }, () => say(name, fields, cause, of)),
  }
}

/** Nothing where no request caused it. */
function saidOf(origin: EventOrigin | undefined): Pick<OperationalEvent, 'requestId' | 'trace'> {
  const { requestId = null, trace } = origin ?? {}
  return { ...(requestId !== null && { requestId }), ...(trace !== undefined && { trace }) }
}

function notify(listener: OperationalEventListener, event: OperationalEvent): void {
  const warn = (thrown: unknown): void =>
    process.emitWarning(`modelward: a listener of events threw on ${event.name}`, { detail: String(thrown) })
  try {
    const told: unknown = listener(event)
    // Of an async one; unheard, it would end the process.
    if (told instanceof Promise) told.catch(warn)
  } catch (thrown) {
    warn(thrown)
  }
}

/** Drops every event and number. */
export const noTelemetry: Telemetry = {
  event() {},
  mayBeOut() {},
  measures: noMeasures,
  tracing: undefined,
}
