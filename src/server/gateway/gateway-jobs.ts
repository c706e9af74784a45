import type { JobInput } from '../../gateway/call/job-call.ts'
import type { Gateway } from '../../gateway/create-gateway.ts'
import type { GatewaySettings, UpstreamSettings } from '../../gateway/gateway-settings.ts'
import type { JobModel, JobModels } from '../../jobs/worker/ask-model.ts'
import { ByteBudget } from '../http/byte-budget.ts'

/** Calls of model servers as jobs. */
export interface GatewayJobs {
  /** The lanes that they wait in, one for each upstream: a slow one holds up none of another. */
  readonly lanes: JobModels
  /** Lets them run: a job of the process before may be due sooner. */
  readonly open: (gateway: Pick<Gateway, 'runJob'>) => void
}

/** Most jobs of an upstream that one process works on: each may hold an answer in memory. */
const laneJobsMax = 32

/** The model's name that stands for an upstream's lane: no served model can have it. */
export function laneOf(upstream: string): string {
  return `upstream:${upstream}`
}

/**
 * @param settings undefined where there are no model servers, and no lanes
 * @param heldMax bytes of bodies and answers that jobs under way may hold in memory
 */
export function createGatewayJobs(
  settings: Pick<GatewaySettings, 'upstreams' | 'answerMax'> | undefined,
  heldMax: number,
): GatewayJobs {
  const { upstreams, answerMax } = settings ?? { upstreams: [], answerMax: 0 }
  const opened = Promise.withResolvers<Pick<Gateway, 'runJob'>>()
  const budget = new ByteBudget(heldMax)

  const laneFor = ({ connectionsMax, timeouts }: UpstreamSettings): JobModel => ({
    batchMax: 1,
    // Half of the places are left to calls that are answered at once.
    concurrency: Math.max(1, Math.min(laneJobsMax, Math.floor(connectionsMax / 2))),
    deadlineMs: timeouts.firstByteMs + timeouts.totalMs,
    async predict([input], { owner, keyId, signal, span, onUsed }) {
      const gateway = await opened.promise
      const call = input as JobInput
      const lease = budget.lease(owner)
      try {
        // All that it may come to, for an answer that has no room would have been asked in vain.
        lease.hold(2 * Buffer.byteLength(call.body) + answerMax)
        return `[${await gateway.runJob(call, { owner, keyId, signal, span, onUsed })}]`
      } finally {
        lease.release()
      }
    },
  })

  return {
    lanes: new Map(upstreams.map((upstream) => [laneOf(upstream.name), laneFor(upstream)])),
    open: opened.resolve,
  }
}
