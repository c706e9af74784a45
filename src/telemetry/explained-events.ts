import type { Scheduler } from '../core/scheduler.ts'
import type { EventName } from './event-row.ts'
import { events } from './events.ts'
import { type OutageName, outages } from './outages.ts'

/** Until what a store explains is said, in milliseconds: the store may be missed a moment later. */
const settleMs = 3_000
/** From a store's end until what still fails is said: all is tried again by then. */
const afterBackMs = 60_000
/** Most that wait to be said: of what names a job there may be many. */
const waitingMax = 1_000

/** Whether an outage is the reason of an event that it may explain. */
export type Explains = (name: EventName, cause: unknown) => boolean

/** What happened, as it is not said yet. */
export interface UnsaidEvent {
  readonly name: EventName
  readonly fields: object
  readonly cause: unknown
}

interface Waiting {
  readonly explainedBy: OutageName
  say: () => void
  cancel: (() => void) | undefined
}

const beginnings: ReadonlyMap<string, OutageName> = new Map(
  Object.entries(outages).map(([begin, end]) => [end, begin as OutageName]),
)

/**
 * Holds back what the outage of a store explains: `EventRow.explainedBy`. An outage of a subject
 * waits while its store is out: where it ends with it, nothing was said; where it goes on a minute
 * longer, it is said then. Anything else that the store explains is dropped while that is out.
 */
export class ExplainedEvents {
  readonly #scheduler: Pick<Scheduler, 'after'>
  readonly #known = new Map<OutageName, Explains>()
  readonly #out = new Set<OutageName>()
  /** Outages of subjects that were said. */
  readonly #said = new Set<OutageName>()
  readonly #waiting = new Map<string, Waiting>()

  constructor(scheduler: Pick<Scheduler, 'after'>) {
    this.#scheduler = scheduler
  }

  /** From now on this may be out, and what it explains waits a moment. */
  mayBeOut(name: OutageName, explains: Explains = () => true): void {
    this.#known.set(name, explains)
  }

  /** Says an event now, later or never. */
  event({ name, fields, cause }: UnsaidEvent, say: () => void): void {
    const begin = beginnings.get(name)
    const { explainedBy } = events[begin ?? name]
    const explains = explainedBy && this.#known.get(explainedBy)
    if (explainedBy === undefined || explains === undefined) {
      if (isOutage(name)) this.#out.add(name)
      if (begin !== undefined) this.#noteEnd(begin)
      say()
    } else if (begin !== undefined) this.#end(begin, say)
    else if (!explains(name, cause)) this.#sayAtOnce(name, say)
    else if (!isOutage(name)) this.#hold(`${name} ${JSON.stringify(fields)}`, explainedBy, say)
    else if (!this.#said.has(name)) this.#hold(name, explainedBy, say)
    else if (!this.#out.has(explainedBy)) say()
  }

  #hold(key: string, explainedBy: OutageName, say: () => void): void {
    const held = this.#waiting.get(key)
    if (held !== undefined) {
      held.say = say
      return
    }
    const isOut = this.#out.has(explainedBy)
    if (isOut && !isOutage(key)) return
    if (this.#waiting.size >= waitingMax) {
      if (!isOut) say()
      return
    }
    const waiting: Waiting = { explainedBy, say, cancel: undefined }
    this.#waiting.set(key, waiting)
    if (!isOut) this.#sayLater(key, waiting, settleMs)
  }

  #sayLater(key: string, waiting: Waiting, ms: number): void {
    waiting.cancel = this.#scheduler.after(ms, () => {
      waiting.cancel = undefined
      const isOut = this.#out.has(waiting.explainedBy)
      // An outage waits for the store's end; anything else has been explained.
      if (isOut && isOutage(key)) return
      this.#waiting.delete(key)
      if (isOut) return
      if (isOutage(key)) this.#said.add(key)
      waiting.say()
    })
  }

  /** The store is not the reason. */
  #sayAtOnce(name: EventName, say: () => void): void {
    if (isOutage(name)) {
      this.#waiting.get(name)?.cancel?.()
      this.#waiting.delete(name)
      this.#said.add(name)
    }
    say()
  }

  /** The end of a subject's outage is said where its beginning was. */
  #end(begin: OutageName, say: () => void): void {
    this.#waiting.get(begin)?.cancel?.()
    this.#waiting.delete(begin)
    if (this.#said.delete(begin)) say()
  }

  #noteEnd(store: OutageName): void {
    if (!this.#out.delete(store)) return
    for (const [key, waiting] of this.#waiting) {
      if (waiting.explainedBy !== store) continue
      waiting.cancel?.()
      this.#sayLater(key, waiting, afterBackMs)
    }
  }
}

function isOutage(name: string): name is OutageName {
  return Object.hasOwn(outages, name)
}
