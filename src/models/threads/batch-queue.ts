import { Fault } from '../../core/fault.ts'
import type { Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import { answerTooLarge } from '../answer-too-large.ts'
import type { ModelLoad } from '../model.ts'
import type { SliceOptions } from '../predict-in-slices.ts'
import { costOf, latenessOf, overloaded, tooLate } from './admission.ts'
import type { BatchCall, BatchLane, CallAnswer } from './batch-lane.ts'
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
    if (options.signal?.aborted) return Promise.reject(options.signal.reason)
    if (this.#isClosed) return Promise.reject(new Fault('overloaded', `model ${name} is closing`))
    const enteredAt = monotonic()
    const waitMs = this.#waitMs(enteredAt)
    if (this.#waiting.inputCount + inputs.length > waitingMax)
      return Promise.reject(overloaded(`model ${name}: ${waitingMax} inputs wait already`, waitMs))
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
    this.#waiting.add(call)
    options.onQueued?.()
    this.#dispatch()
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

  #drop(call: WaitingCall): void {
    if (this.#waiting.delete(call) || this.#suspects.delete(call)) {
      call.giveUp()
      if (this.#waiting.first === undefined) this.#cancelDelay()
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

  /** Milliseconds until what waits has been started, by the lanes that are free by then. */
  #waitMs(now: number): number {
    let waitMs = Number.POSITIVE_INFINITY
    for (let next = this.#waitMsWithin(waitMs, now); next < waitMs; next = this.#waitMsWithin(next, now))
      waitMs = next
    return waitMs
  }

  /** The same, by the lanes that are free within so many milliseconds. */
  #waitMsWithin(withinMs: number, now: number): number {
    let ms = this.#waiting.ms + this.#suspects.ms
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

  /** Suspects first, and alone, for they have waited longest; of these the urgent ones first. */
  #takeBatch(): readonly WaitingCall[] | undefined {
    const { name, batchMax, monotonic } = this.#options
    const now = monotonic()
    for (const suspect of this.#suspects.urgentFirst()) {
      this.#suspects.delete(suspect)
      if (!isTooLate(suspect, this.#times, now)) return [suspect]
      suspect.reject(tooLate(name, suspect.dueAt - now))
    }
    const oldest = this.#waiting.first
    if (oldest === undefined || !this.#isDue(oldest)) return undefined
    const batch = gatherBatch(this.#waiting, { name, batchMax, times: this.#times, now })
    return batch.length > 0 ? batch : undefined
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
    const oldest = this.#waiting.first
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
    const limit = this.#limitOf(calls, usualMs)
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
    if (isWhole || (batch.isAborted && ms > this.#times.of(batch.size, now)))
      this.#times.learn(batch.size, ms, now)
  }

  /** How long a batch may take for the sake of others, in milliseconds; infinite if for none. */
  #limitOf(calls: readonly WaitingCall[], usualMs: number): number {
    const isShared = calls.length > 1
    // Calls with a deadline of their own went first: the work of a job is not lost for others.
    if (!isShared && calls[0]?.mayWait) return Number.POSITIVE_INFINITY
    const left = this.#timeLeftOf(isShared ? calls : this.#suspects)
    // Never past their deadline, however slow such a batch was once.
    return Math.min(left, Math.max(left / (isShared ? 2 : 4), 2 * usualMs))
  }

  /** Milliseconds that the most urgent of these calls has left; infinite without any. */
  #timeLeftOf(calls: Iterable<WaitingCall>): number {
    let dueAt = Number.POSITIVE_INFINITY
    for (const call of calls) dueAt = Math.min(dueAt, call.dueAt)
    return Math.max(0, dueAt - this.#options.monotonic())
  }

  #deliver({ calls }: RunningBatch, answers: readonly (CallAnswer | undefined)[]): void {
    const { name, answerBytesMax } = this.#options
    calls.forEach((call, at) => {
      const answer = answers[at]
      if (answer instanceof Uint8Array) call.resolve(answer)
      else if (answer === 'no room') this.#runAgain(call, new Fault('overloaded', `model ${name}: no room`))
      else call.reject(answerTooLarge(name, answerBytesMax))
    })
    if (this.#suspects.first !== undefined) this.#dispatch()
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
