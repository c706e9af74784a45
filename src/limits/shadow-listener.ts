import type { EventOrigin } from '../telemetry/telemetry.ts'
import type { LimitRefusal } from './limiter.ts'

/** Called for each limit in shadow that would have refused, with the request that it let in. */
export type ShadowListener = (refusal: LimitRefusal, of: EventOrigin | undefined) => void

/** The same for one request. */
export type OnShadow = (refusal: LimitRefusal) => void

/** A request that limits are taken for. */
export interface LimitedRequest {
  readonly origin: EventOrigin
}
