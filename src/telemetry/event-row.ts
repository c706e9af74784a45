import type { EventFields, RequestEventName } from './event-fields.ts'
import type { OutageName } from './outages.ts'

/** How bad an event is: nothing to do, look when you can, look now, or the server ends of it. */
export type EventLevel = 'info' | 'warn' | 'error' | 'fatal'

/** The name of an event: `subject.what_happened`. */
export type EventName = keyof EventFields

/** A row of the closed table of operational events. */
export type EventRow<Name extends EventName = EventName> = CommonRow<Name> &
  (Name extends RequestEventName ? { readonly isOfRequest: true } : { readonly isOfRequest?: never })

interface CommonRow<Name extends EventName> {
  readonly level: EventLevel
  /** What happened, as the log says it. */
  readonly sentence: string
  /** What it means for requests, and the operator's way out. */
  readonly remedy: string
  /**
   * Each request of an outage could bring one: the first is told at once, then one a minute at
   * most, with how many there were in `times`.
   */
  readonly isBrief?: true
  /**
   * The outage that explains it, where a deployment has it and it is the reason: it is not said
   * while that is out, however many subjects and requests notice.
   */
  readonly explainedBy?: OutageName
  /** The meaning of each field. */
  readonly fields: Readonly<Record<keyof EventFields[Name], string>>
}

/** The meaning of what each event of an outage has. */
export const outageFields = {
  since: 'when it began',
  attempts: 'how many tries have failed since',
} as const
