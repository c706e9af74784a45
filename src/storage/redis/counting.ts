import { Fault } from '../../core/fault.ts'
import type { Clock } from '../../core/time.ts'
import type { Limiter, LimitState, LimitUse, Taking } from '../../limits/limiter.ts'
import { isStored } from '../../limits/stored-usage.ts'
import { createOutageReport } from '../../telemetry/outage-report.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { createAskUntilRoom } from './ask-until-room.ts'
import type { Calls } from './calls.ts'
import type { KeptLimits } from './kept-limits.ts'
import { checkLeases, type Leases } from './leases.ts'
import { operations, type RequestUse, requestUse } from './requests.ts'
import { createSettling } from './settling.ts'

export interface CountingOptions {
  readonly calls: Calls
  readonly leases: Leases
  readonly kept: KeptLimits
  readonly monotonic: Clock
  readonly telemetry: Telemetry
}

/** Takes, settles and resets by requests to the script, and writes what is kept. */
export function createCounting(options: CountingOptions): Omit<Limiter, 'close'> {
  const { calls, leases, monotonic } = options
  const kept = reportOutage(options.kept, options.telemetry)
  const askUntilRoom = createAskUntilRoom(calls, kept, monotonic)

  async function take(uses: readonly LimitUse[], isCounting: boolean): Promise<Taking> {
    const list: RequestUse[] = []
    for (const use of uses) {
      const isHeld = isCounting && use.limit.kind === 'concurrent'
      list.push(requestUse(use, use.cost, 0, isHeld ? leases.draw(checkLeases(use)) : 0))
    }
    const operation = isCounting ? operations.take : operations.peek
    const request = { operation, uses: list, limits: uses, at: 0 }
    const answer = await askUntilRoom(request, uses, (index) => uses[index]?.cost ?? 0)
    if (answer.is === 'closed') throw closedFor(answer.forMs)
    if (answer.is !== 'taking') throw new Fault('limiter_unavailable', 'Redis answered no taking')
    const { taking } = answer
    if (isCounting && taking.refusal === undefined)
      for (const [index, use] of uses.entries())
        if (isHeldBy(use, taking)) leases.hold(use.counter, taking.at, list[index]?.span ?? 0, use.cost)
    return taking
  }

  /** A limit in shadow refuses nothing, also where what is kept of it cannot be read. */
  async function takeOrSkipShadows(uses: readonly LimitUse[], isCounting: boolean): Promise<Taking> {
    try {
      return await take(uses, isCounting)
    } catch (fault) {
      const rest = uses.filter((use) => !(use.isShadow && isStored(use)))
      if (calls.epoch() === undefined || rest.length === uses.length) throw fault
      const taking = await take(rest, isCounting)
      return { ...taking, states: uses.map((use) => stateOf(use, taking)) }
    }
  }

  async function reset(uses: readonly LimitUse[]): Promise<void> {
    const list = uses.map((use) => requestUse(use, 0, 0, 0))
    const answer = await askUntilRoom({ operation: operations.reset, uses: list, at: 0 }, uses, () => 0)
    if (answer.is !== 'off') return
    for (const snapshot of answer.snapshots) await kept.writeDown(uses[snapshot.index] as LimitUse, snapshot)
  }

  return {
    take: (uses) => (uses.some(isStored) ? takeOrSkipShadows(uses, true) : take(uses, true)),
    peek: (uses) => (uses.some(isStored) ? takeOrSkipShadows(uses, false) : take(uses, false)),
    settle: createSettling({ calls, leases, kept, askUntilRoom }),
    reset,
  }
}

/** A limit in shadow that would have refused was not counted. */
function isHeldBy(use: LimitUse, { shadows }: Taking): boolean {
  return use.limit.kind === 'concurrent' && !shadows.some((shadow) => shadow.use === use)
}

function stateOf(use: LimitUse, { states }: Taking): LimitState {
  const known = states.find((state) => state.use === use)
  return known ?? { use, remaining: use.limit.amount, freesInMs: 0 }
}

/** In whole seconds from which on it is counted again. */
function closedFor(ms: number): Fault {
  return new Fault('limiter_unavailable', `what was used is forgotten; it is counted again in ${ms} ms`, {
    retryAfterSeconds: Math.max(1, Math.ceil(ms / 1_000)),
  })
}

/** Faults of the store as the limiter's, and an outage as events. */
function reportOutage(kept: KeptLimits, telemetry: Telemetry): KeptLimits {
  const outage = createOutageReport('limiter.not_persisted', telemetry, {})
  async function run(work: Promise<void>): Promise<void> {
    try {
      await work
      outage.passed()
    } catch (error) {
      if (!(error instanceof Fault) || error.code === 'limiter_unavailable') throw error
      outage.failed(error)
      throw new Fault('limiter_unavailable', 'long limits cannot be kept', { cause: error })
    }
  }
  return {
    makeRoom: (...room) => run(kept.makeRoom(...room)),
    writeDown: (use, snapshot) => run(kept.writeDown(use, snapshot)),
  }
}
