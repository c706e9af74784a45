import type { EventFields } from './event-fields.ts'
import type { Explains } from './explained-events.ts'
import {
  createOutageSpells,
  type OutageSpell,
  type OutageSpells,
  type OutageTiming,
} from './outage-spells.ts'
import { type OutageName, outages } from './outages.ts'
import type { Telemetry } from './telemetry.ts'

/** Tells of one thing that may be out, however often it is tried meanwhile. */
export type OutageReport = OutageSpells

type EndOf<Name extends OutageName> = (typeof outages)[Name]

/** What an event has beside what each outage has. */
type MoreFields<Fields> = Omit<Fields, keyof OutageSpell>

/** Asked for where there is something to say. */
type FieldsOption<Option extends string, Fields> = [keyof Fields] extends [never]
  ? { readonly [Key in Option]?: undefined }
  : { readonly [Key in Option]: () => Fields }

/** Which events of what it explains it does: see `Telemetry.mayBeOut`. @default all */
interface ExplainsOption {
  readonly explains?: Explains | undefined
}

export type OutageReportOptions<Name extends OutageName> = OutageTiming &
  ExplainsOption &
  FieldsOption<'begin', MoreFields<EventFields[Name]>> &
  FieldsOption<'end', MoreFields<EventFields[EndOf<Name>]>>

/**
 * One event when an outage begins, one a minute for as long as it is met, one when it is over, each
 * with `since` and `attempts`: see `createOutageSpells`. What is not tried is not known to be out.
 *
 * @param options `begin` and `end` give what its two events have beside these
 */
export function createOutageReport<Name extends OutageName>(
  name: Name,
  telemetry: Telemetry | undefined,
  options: OutageReportOptions<Name>,
): OutageReport {
  telemetry?.mayBeOut(name, options.explains)
  const { begin, end }: { begin?: (() => object) | undefined; end?: (() => object) | undefined } = options
  // Each has the fields of its row, which TypeScript cannot see.
  const tell = (event: OutageName | EndOf<Name>, fields: object, cause?: unknown): void =>
    telemetry?.event(event, fields as never, cause)
  return createOutageSpells(
    {
      begin: (spell, cause) => tell(name, { ...begin?.(), ...spell }, cause),
      end: (spell) => tell(outages[name], { ...end?.(), ...spell }),
    },
    options,
  )
}
