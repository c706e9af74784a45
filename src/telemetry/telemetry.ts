import { processScheduler, type Scheduler } from '../core/scheduler.ts'
import { dropMeasuresWhereTheyThrow } from './dropped-measures.ts'
import { dropWhereItThrows } from './dropped-tracing.ts'
import type { EventFields } from './event-fields.ts'
import type { EventLevel, EventName } from './event-row.ts'
import { events } from './events.ts'
import { ExplainedEvents, type Explains } from './explained-events.ts'
import { type Measures, noMeasures } from './measures.ts'
import { createOnceAMinute } from './once-a-minute.ts'
import type { OutageName } from './outages.ts'
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
  }
}[EventName]

/** Gets each event as it happens. One that throws loses that event and nothing else. */
export type OperationalEventListener = (event: OperationalEvent) => void

/** Where operational events go, numbers, and spans. */
export interface Telemetry {
  /** `times` is counted here: see `EventRow.isBrief`. */
  readonly event: <Name extends EventName>(
    name: Name,
    fields: Omit<EventFields[Name], 'times'>,
    cause?: unknown,
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

  function say(name: EventName, fields: object, cause: unknown): void {
    const { level, sentence, isBrief } = events[name]
    const tell = (all: object): void => {
      measures.event(name)
      // The union's members are built from one row each; TypeScript cannot see that name and
      // fields agree.
      const event = { name, level, message: sentence, fields: all, ...(cause !== undefined && { cause }) }
      for (const listener of listeners) notify(listener, event as OperationalEvent)
    }
    if (isBrief !== true) tell(fields)
    // The fields of such events have few values.
    else onceAMinute(`${name} ${JSON.stringify(fields)}`, (times) => tell({ ...fields, times }))
  }

  return {
    measures,
    tracing: tracing && dropWhereItThrows(tracing),
    mayBeOut: (name, explains) => explained.mayBeOut(name, explains),
    event: (name, fields, cause) => explained.event({ name, fields, cause }, () => say(name, fields, cause)),
  }
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
