import type { Gateway } from '../../gateway/create-gateway.ts'
import type { JobService } from '../../jobs/job-service.ts'
import type { Ward } from '../../ward/ward.ts'
import type { ByteBudget } from '../http/byte-budget.ts'

/** What the routes of the upstreams work with. */
export interface GatewayRoutesDeps {
  readonly ward: Ward
  readonly gateway: Gateway
  readonly budget: ByteBudget
  readonly jobs: JobService
  /** Largest body of a call that becomes a job, in bytes. */
  readonly batchBodyMax: number
  /** Aborts when the server begins to close. */
  readonly closing: AbortSignal
}
