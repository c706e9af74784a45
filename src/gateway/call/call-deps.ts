import type { IncomingMessage } from 'node:http'
import type { Fault } from '../../core/fault.ts'
import type { Retries } from '../../core/retries.ts'
import type { Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import type { Guard } from '../../guard/guard.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { PromptRatios } from '../answer/estimate-usage.ts'
import type { ModelDirectory } from '../directory/model-directory.ts'
import type { OpenCalls } from './open-calls.ts'
import type { PromptCounts } from './prompt-counts.ts'
import type { UpstreamPlaces } from './upstream-places.ts'

/** Which request a fault is of. */
export interface FaultyCall {
  readonly request: IncomingMessage
  readonly requestId: string
  /** The route's pattern. */
  readonly route: string
}

/** What calls work with. */
export interface CallDeps {
  readonly guard: Guard
  readonly models: ModelDirectory
  readonly ratios: PromptRatios
  readonly calls: OpenCalls
  readonly retries: Retries
  readonly places: UpstreamPlaces
  readonly counts: PromptCounts
  readonly telemetry: Telemetry
  /** Never jumps. */
  readonly monotonic: Clock
  readonly scheduler: Scheduler
  /** Largest whole answer held in memory, in bytes. */
  readonly answerMax: number
  /** Logs what an operator should see of one call. */
  readonly log: (text: string, fields: Readonly<Record<string, unknown>>) => void
  /** Told of each fault that an answer was, or should have been. */
  readonly onFault: (call: FaultyCall, fault: Fault) => void
}
