import { Fault } from '../../core/fault.ts'
import type { Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import type { OfOwner } from '../../core/turns.ts'
import { answerTooLarge } from '../answer-too-large.ts'
import type { ModelLoad } from '../model.ts'
import type { SliceOptions } from '../predict-in-slices.ts'
import { costOf, latenessOf, overloaded, tooLate } from './admission.ts'
import type { BatchCall, BatchLane, CallAnswer } from './batch-lane.ts'
import { batchLimitOf } from './batch-limit.ts'
import { CallSet } from './call-set.ts'
import { gatherBatch, isTooLate } from './gather-batch.ts'
import { RunningBatch } from './running-batch.ts'
import { UsualTimes } from './usual-times.ts'
import { WaitingCall } from './waiting-call.ts'

export interface BatchQueueOptions {
  /** The model's name, for messages. */
  readonly name: string
  readonly lanes: readonly BatchLane[]
  /** Most inputs of one batch. */
  readonly batchMax: number
  /** Longest that a call waits for others while a lane is free, in milliseconds. */
  readonly batchDelayMs: number
  /** Most inputs that wait. */
  readonly waitingMax: number
  /** Longest answer to one call, in bytes; the lanes know. */
  readonly answerBytesMax: number
  readonly scheduler: Scheduler
  /** Never jumps, in milliseconds. */
  readonly monotonic: Clock
}

/**
 * Dynamic batching: collects calls while every lane works, and gives a free lane as many as fit.
 *
 * Calls of one batch are strangers to each other: one must not suffer for another. When a batch of
 * several fails, each is run again by itself: an input that crashes a thread then crashes it under
 * its own call alone. So is a call whose answer had no room beside those of the others, while one
 * that is too large by itself fails at once. An input that never ends would use up the time of all;
 * therefore a batch of several is aborted after half of the time that its most urgent call has
 * left, and a call that is run again while others are to be, after a quarter of the time that these
 * have: alone, it should need less than the batch did, and a lost thread takes time to replace. No
 * batch is aborted before it has taken twice as long as it usually does.
 *
 * Under more load than the model can do, only what can be answered in time is worth doing: a call
 * that would wait past its deadline is refused as it comes, and one that has less time left than
 * the model usually takes is not started. A call that finds a free lane is always tried: else a
 * model that was slow once would be taken to be slow for ever.
 */
export class BatchQueue {
  readonly #options: BatchQueueOptions
  readonly #idle: BatchLane[]
  readonly #waiting = new CallSet()
  readonly #suspects = new CallSet()
  readonly #running = new Set<RunningBatch>()
  /** Ended, but their lanes are not free: a host is being replaced, or native code goes on. */
  readonly #away = new Set<RunningBatch>()
  readonly #times = new UsualTimes()
  /** Whose suspect had the last turn; undefined where that was no suspect's. */
  #suspected: OfOwner | undefined
  #cancelDelay = (): void => {}
  /** Whose delay has ended by the scheduler's timer, which may be early by its own clock. */
  #ripe: WaitingCall | undefined
  #isClosed = false

  constructor(options: BatchQueueOptions) {
    this.#options = options
    this.#idle = [...options.lanes]
  }

  /**
   * Answers up to `batchMax` inputs of one caller, as JSON in UTF-8 with commas between them.
   *
   * @throws Fault, Refusal; by rejecting
   */
  predict({ inputs, writes }: BatchCall, options: SliceOptions): Promise<Uint8Array> {
    const { name, batchMax, waitingMax, scheduler, monotonic } = this.#options
    const { owner } = options
    if (options.signal?.aborted) return Promise.reject(options.signal.reason)
    if (this.#isClosed) return Promise.reject(new Fault('overloaded', `model ${name} is closing`))
    const enteredAt = monotonic()
    const waitMs = this.#waitMs(owner, enteredAt)
    const over = this.#waiting.inputCount + inputs.length - waitingMax
    const displaced = over > 0 ? this.#displacedBy(owner, inputs.length, over) : []
    if (over > 0 && displaced.length === 0) return Promise.reject(this.#full(waitMs))
    const cost = costOf(inputs, {
      batchMax,
      waitingSize: this.#waiting.size,
      times: this.#times,
      now: enteredAt,
    })
    const isFirst = this.#idle.length > 0
    const mayPass = isFirst || options.onQueued !== undefined
    const late = mayPass ? undefined : latenessOf(name, cost, { ...options, waitMs })
    if (late !== undefined) return Promise.reject(late)
    const call = new WaitingCall(name, {
      ...options,
      inputs,
      writes,
      cost,
      scheduler,
      enteredAt,
      isFirst,
      onLeave: (left) => this.#drop(left),
    })
    // The client may have gone before the call was queued.
    if (call.isOver) {
      call.giveUp()
      return call.answer
    }
    for (const each of displaced) {
      this.#waiting.delete(each)
      each.reject(this.#full(this.#waitMs(each.owner, enteredAt)))
    }
    options.onQueued?.()
    this.#enter(call)
    return call.answer
  }

  load(): ModelLoad {
    let running = 0
    for (const { inputCount } of this.#running) running += inputCount
    return { waiting: this.#waiting.inputCount + this.#suspects.inputCount, running }
  }

  /** Answers every call with `overloaded`, and takes no more. */
  close(): void {
    this.#isClosed = true
    this.#cancelDelay()
    const fault = new Fault('overloaded', `model ${this.#options.name} is closing`)
    for (const calls of [this.#waiting, this.#suspects])
      for (const call of calls.takeAll()) call.reject(fault)
    for (const { calls } of this.#running) for (const call of calls) call.reject(fault)
    for (const batch of this.#running) batch.abortIfUnwanted(Number.POSITIVE_INFINITY)
  }

  /** Where none waits, it does not either. */
  #enter(call: WaitingCall): void {
    const isNext = this.#options.batchDelayMs === 0 && this.#waiting.inputCount === 0
    const lane = isNext && this.#suspects.inputCount === 0 ? this.#idle.pop() : undefined
    if (lane !== undefined) this.#start(lane, [call])
    else {
      this.#waiting.add(call)
      this.#dispatch()
    }
  }

  #drop(call: WaitingCall): void {
    if (this.#waiting.delete(call) || this.#suspects.delete(call)) {
      call.giveUp()
      if (this.#waiting.oldest === undefined) this.#cancelDelay()
      return
    }
    for (const batch of this.#running)
      if (batch.calls.includes(call)) batch.abortIfUnwanted(this.#options.monotonic())
  }

  #dispatch(): void {
    this.#cancelDelay()
    for (;;) {
      const lane = this.#idle.at(-1)
      const calls = lane === undefined ? undefined : this.#takeBatch()
      if (lane === undefined || calls === undefined) break
      this.#idle.pop()
      this.#start(lane, calls)
    }
    if (this.#idle.length > 0) this.#awaitDelay()
  }

  /** What gives its place up to a call of an owner that has fewer. */
  #displacedBy(owner: string | undefined, inputs: number, over: number): readonly WaitingCall[] {
    return this.#waiting.lastOfMost(over, this.#waiting.inputsOf(owner) + inputs)
  }

  #full(waitMs: number): Fault {
    const { name, waitingMax } = this.#options
    return overloaded(`model ${name}: ${waitingMax} inputs wait already`, waitMs)
  }

  /** Milliseconds until an owner's next call is started, by the lanes that are free by then. */
  #waitMs(owner: string | undefined, now: number): number {
    const before = this.#waiting.msBefore(owner) + this.#suspects.msBefore(owner)
    let waitMs = Number.POSITIVE_INFINITY
    for (
      let next = this.#waitMsWithin(waitMs, before, now);
      next < waitMs;
      next = this.#waitMsWithin(next, before, now)
    )
      waitMs = next
    return waitMs
  }

  /** The same, by the lanes that are free within so many milliseconds. */
  #waitMsWithin(withinMs: number, before: number, now: number): number {
    let ms = before
    let lanes = this.#idle.length
    for (const batches of [this.#running, this.#away])
      for (const batch of batches) {
        const leftMs = batch.leftMs(now)
        if (leftMs > withinMs) continue
        ms += leftMs
        lanes += 1
      }
    return lanes === 0 ? withinMs : ms / lanes
  }

  /**
   * Suspects first, and alone, for they have waited longest; but other owners' calls have turns
   * between them, each of which may cost a thread.
   */
  #takeBatch(): readonly WaitingCall[] | undefined {
    const now = this.#options.monotonic()
    const isTurnOfOthers = this.#suspected !== undefined && this.#waiting.hasOthers(this.#suspected.owner)
    const others = isTurnOfOthers ? this.#gather(now) : undefined
    return others ?? this.#takeSuspect(now) ?? this.#gather(now)
  }

  /** Of suspects the urgent ones first. */
  #takeSuspect(now: number): readonly WaitingCall[] | undefined {
    for (const suspect of this.#suspects.urgentFirst()) {
      if (isTooLate(suspect, this.#times, now)) {
        this.#suspects.delete(suspect)
        suspect.reject(tooLate(this.#options.name, suspect.dueAt - now))
        continue
      }
      this.#suspects.take(suspect)
      this.#suspected = { owner: suspect.owner }
      return [suspect]
    }
    return undefined
  }

  #gather(now: number): readonly WaitingCall[] | undefined {
    const { name, batchMax } = this.#options
    const { oldest } = this.#waiting
    if (oldest === undefined || !this.#isDue(oldest)) return undefined
    const batch = gatherBatch(this.#waiting, { name, batchMax, times: this.#times, now })
    if (batch.length === 0) return undefined
    this.#suspected = undefined
    return batch
  }

  #isDue(oldest: WaitingCall): boolean {
    const { batchMax } = this.#options
    return oldest === this.#ripe || this.#delayOf(oldest) <= 0 || this.#waiting.inputCount >= batchMax
  }

  #delayOf(oldest: WaitingCall): number {
    const { batchDelayMs, monotonic } = this.#options
    return batchDelayMs === 0 ? 0 : oldest.enteredAt + batchDelayMs - monotonic()
  }

  #awaitDelay(): void {
    const oldest = this.#waiting.oldest
    if (oldest === undefined) return
    this.#cancelDelay = this.#options.scheduler.after(this.#delayOf(oldest), () => {
      this.#ripe = oldest
      this.#dispatch()
    })
  }

  #start(lane: BatchLane, calls: readonly WaitingCall[]): void {
    const startedAt = this.#options.monotonic()
    const size = calls.reduce((sum, { cost }) => sum + cost.size, 0)
    const usualMs = this.#times.of(size, startedAt)
    for (const call of calls) call.begin(startedAt)
    const run = lane.start(calls)
    const batch = new RunningBatch(calls, run, { startedAt, size, usualMs })
    this.#running.add(batch)
    const limit = batchLimitOf(calls, { suspects: this.#suspects, usualMs, now: startedAt })
    if (limit < Number.POSITIVE_INFINITY)
      batch.limit((giveUp) => this.#options.scheduler.after(limit, giveUp))
    void run.answers.then(
      (answers) => {
        this.#end(batch, true)
        this.#deliver(batch, answers)
      },
      (reason) => {
        this.#end(batch, false)
        this.#fail(batch, reason)
      },
    )
    void run.free.then(() => {
      batch.isFree = true
      this.#away.delete(batch)
      this.#idle.push(lane)
      this.#dispatch()
    })
  }

  /** @param isWhole whether the model took this time; for any other batch it is the least */
  #end(batch: RunningBatch, isWhole: boolean): void {
    const now = this.#options.monotonic()
    batch.end(now)
    this.#running.delete(batch)
    if (!batch.isFree) this.#away.add(batch)
    const ms = now - batch.startedAt
    // What others' shares of time cut short says nothing of a model that is not known.
    const isCut = batch.isOutOfTime && batch.usualMs === 0
    if (isWhole || (batch.isAborted && !isCut && ms > this.#times.of(batch.size, now)))
      this.#times.learn(batch.size, ms, now)
  }

  #deliver({ calls }: RunningBatch, answers: readonly (CallAnswer | undefined)[]): void {
    const { name, answerBytesMax } = this.#options
    calls.forEach((call, at) => {
      const answer = answers[at]
      if (answer instanceof Uint8Array) call.resolve(answer)
      else if (answer === 'no room') this.#runAgain(call, new Fault('overloaded', `model ${name}: no room`))
      else call.reject(answerTooLarge(name, answerBytesMax))
    })
    if (this.#suspects.oldest !== undefined) this.#dispatch()
  }

  #fail({ calls, isOutOfTime }: RunningBatch, reason: unknown): void {
    const [call] = calls
    if (calls.length === 1) {
      const { name } = this.#options
      call?.reject(
        isOutOfTime ? new Fault('model_timeout', `model ${name} took more than its share`) : reason,
      )
      return
    }
    for (const suspect of calls) this.#runAgain(suspect, reason)
    this.#dispatch()
  }

  /** By itself; unless its caller has left. */
  #runAgain(call: WaitingCall, reason: unknown): void {
    if (call.isOver) call.reject(reason)
    else {
      call.waitAgain()
      this.#suspects.add(call)
    }
  }
}
