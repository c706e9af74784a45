import { randomFillSync } from 'node:crypto'
import { passedOnSpan } from '../../telemetry/passed-on-span.ts'
import type { Tracing } from '../../telemetry/tracing.ts'

/** Where an SDK takes its ids from, and what decides about a trace before the SDK sees it. */
export interface EarlyDecision {
  readonly idGenerator: {
    readonly generateTraceId: () => string
    readonly generateSpanId: () => string
  }
  /** Leaves to the SDK what is exported, or has a parent. */
  readonly decideEarly: (tracing: Tracing) => Tracing
}

const traceIdBytes = 16
const spanIdBytes = 8

/**
 * Decides about a trace that begins here by its id alone, as the SDK's sampler then would: most are
 * not exported, and a span of the SDK costs several times what its id does.
 */
export function createEarlyDecision(isExported: (traceId: string) => boolean): EarlyDecision {
  const random = createRandomIds()
  /** Of the trace that the SDK begins next. */
  let decided: string | undefined

  return {
    idGenerator: {
      generateTraceId() {
        const traceId = decided ?? random(traceIdBytes)
        decided = undefined
        return traceId
      },
      generateSpanId: () => random(spanIdBytes),
    },
    decideEarly: (tracing) => ({
      ...tracing,
      begin(name, options) {
        if (options?.parent !== undefined) return tracing.begin(name, options)
        const traceId = random(traceIdBytes)
        if (!isExported(traceId))
          return passedOnSpan({ traceId, spanId: random(spanIdBytes), isSampled: false, state: '' })
        decided = traceId
        return tracing.begin(name, options)
      },
    }),
  }
}

/** Ids in hexadecimal, from bytes that are drawn for many at once. */
function createRandomIds(): (bytes: number) => string {
  const pool = Buffer.alloc(4_096)
  let taken = pool.length
  return (bytes) => {
    if (taken + bytes > pool.length) {
      randomFillSync(pool)
      taken = 0
    }
    const start = taken
    taken += bytes
    return pool.toString('hex', start, taken)
  }
}
