import { withinDeadline } from '../../../core/deadline.ts'
import { Fault } from '../../../core/fault.ts'
import type { Scheduler } from '../../../core/scheduler.ts'
import type { Clock } from '../../../core/time.ts'
import type { Telemetry } from '../../../telemetry/telemetry.ts'
import { createOutage, outFault } from './outage.ts'
import type { Committed, LedgerWriter } from './stream-writer.ts'

export interface CommitsOptions {
  readonly writer: LedgerWriter
  /** Whether an outage is watched until it ends; otherwise the next entry tries. */
  readonly heals: boolean
  /** Milliseconds since the epoch, whole. */
  readonly now: Clock
  /** Milliseconds, never jumps. */
  readonly monotonic: Clock
  readonly scheduler: Scheduler
  /** Called with every commit. */
  readonly report: (committed: Committed) => void
  readonly telemetry: Telemetry | undefined
}

/** The commits of a writer, one after the other, and their outages. */
export interface Commits {
  /** Begins the stream, or has it begun once the outage ends. @throws SetupError by rejecting */
  readonly open: () => Promise<void>
  /**
   * @param since when what is to be committed came, by `monotonic`
   * @throws Fault `ledger_unavailable`, by rejecting, within two seconds from then
   */
  readonly commit: (since: number, work: () => Promise<Committed>) => Promise<Committed>
  /** Runs a work between two commits. */
  readonly inTurn: <Result>(work: () => Promise<Result>) => Promise<Result>
  /** Whether nothing can be recorded just now, as far as is known. */
  readonly isOut: () => boolean
  /** Ends the stream. @throws Fault `ledger_unavailable`, by rejecting */
  readonly end: () => Promise<void>
}

/** What is not durable by then is refused, and so is whatever waits behind it. */
const answerMs = 2_000

/**
 * Commits in the order of the calls. During an outage what comes is refused at once, but for what
 * comes during the first attempt to end it.
 */
export function createCommits(options: CommitsOptions): Commits {
  const { writer, heals, now, monotonic, scheduler, report } = options
  const inTurn = createTurns()
  const outage = createOutage({ ...options, tryCommit: () => inTurn(() => writer.checkpoint(now())) })

  function within<Result>(since: number, doing: Promise<Result>): Promise<Result> {
    const deadlineMs = Math.max(0, since + answerMs - monotonic())
    return withinDeadline(doing, { name: 'PostgreSQL', code: 'ledger_unavailable', deadlineMs, scheduler })
  }

  async function waitForFirst(since: number): Promise<void> {
    const first = outage.firstAttempt()
    if (first === undefined) throw outFault()
    await within(since, first)
  }

  return {
    async open() {
      try {
        const committed = await inTurn(() => writer.open(now()))
        if (committed !== undefined) report(committed)
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        outage.noteFault(error)
      }
    },
    async commit(since, work) {
      let isGivenUp = false
      const workUnlessGivenUp = async (): Promise<Committed> => {
        // What was refused meanwhile is not written later.
        if (isGivenUp) throw outFault()
        const committed = await work()
        outage.noteCommit(committed)
        return committed
      }
      try {
        if (outage.isOut() && heals) await waitForFirst(since)
        return await within(since, inTurn(workUnlessGivenUp))
      } catch (error) {
        isGivenUp = true
        const fault = error instanceof Fault ? error : outFault(error)
        outage.noteFault(fault)
        throw fault
      }
    },
    inTurn,
    isOut: outage.isOut,
    async end() {
      outage.stop()
      if (outage.isOut() && heals) throw outFault()
      const ended = await inTurn(() => writer.end(now()))
      if (ended !== undefined) report(ended)
    },
  }
}

/** Runs works one after the other, in the order of the calls. */
function createTurns(): Commits['inTurn'] {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const next = last.then(work)
    last = next.catch(() => undefined)
    return next
  }
}
