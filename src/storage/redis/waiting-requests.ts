import { Fault } from '../../core/fault.ts'
import type { LimiterAnswer } from './decode-reply.ts'
import type { LimiterRequest } from './requests.ts'

/** A request that waits for a call, and what came of it. */
export interface WaitingRequest {
  readonly request: LimiterRequest
  /** By the steady clock. */
  readonly since: number
  readonly resolve: (answer: LimiterAnswer) => void
  readonly reject: (fault: Fault) => void
}

/** The requests that no call has taken yet, in the order in which they came. */
export interface WaitingRequests {
  /** Rejects with the fault `limiter_unavailable` where too many wait. */
  readonly add: (request: LimiterRequest, now: number) => Promise<LimiterAnswer>
  /**
   * The requests of the next call. Those that have waited too long, or are of another epoch, are
   * rejected.
   */
  readonly next: (epoch: string, now: number) => readonly WaitingRequest[]
  readonly rejectAll: (fault: Fault) => void
}

/** Requests of one call: what Redis does between two other commands, about a millisecond. */
const perCallMax = 64
/** Uses of one call: a request has a dozen at most. */
const usesPerCallMax = 1_024
const waitingMax = 8_192

export function createWaitingRequests(deadlineMs: number): WaitingRequests {
  let waiting: WaitingRequest[] = []
  return {
    add(request, since) {
      if (waiting.length >= waitingMax)
        return Promise.reject(new Fault('limiter_unavailable', 'too much waits to be counted'))
      return new Promise((resolve, reject) => waiting.push({ request, since, resolve, reject }))
    },
    next(epoch, now) {
      const called: WaitingRequest[] = []
      let uses = 0
      let passed = 0
      for (const one of waiting) {
        const { request, since, reject } = one
        const isFull = uses > 0 && uses + request.uses.length > usesPerCallMax
        if (called.length === perCallMax || isFull) break
        passed += 1
        if (now - since > deadlineMs)
          reject(new Fault('limiter_unavailable', `Redis did not answer within ${deadlineMs} ms`))
        else if (request.epoch !== undefined && request.epoch !== epoch)
          reject(new Fault('limiter_unavailable', 'the limiter has another epoch meanwhile'))
        else {
          called.push(one)
          uses += request.uses.length
        }
      }
      waiting = waiting.slice(passed)
      return called
    },
    rejectAll(fault) {
      const left = waiting
      waiting = []
      for (const { reject } of left) reject(fault)
    },
  }
}
