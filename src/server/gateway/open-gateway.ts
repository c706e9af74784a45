import type { Gateway } from '../../gateway/create-gateway.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { Ward } from '../../ward/ward.ts'
import { logProblem, traceIdsOf } from '../http/handle-errors.ts'
import type { Log } from '../http/log.ts'
import type { ServerOptions } from '../server-options.ts'
import type { GatewayJobs } from './gateway-jobs.ts'

/** Opens the model servers behind a server; undefined where it has none, and nothing is loaded. */
export async function openGateway(
  { gateway: settings, monotonic, scheduler }: ServerOptions,
  ward: Ward,
  telemetry: Telemetry,
  log: Log,
  jobs: GatewayJobs,
): Promise<Gateway | undefined> {
  if (settings === undefined) return undefined
  const { createGateway } = await import('../../gateway/create-gateway.ts')
  const gateway = createGateway(settings, {
    guard: ward.guard,
    telemetry,
    env: process.env,
    ...(monotonic && { monotonic }),
    ...(scheduler && { scheduler }),
    log: (text, fields) => log.warn(fields, text),
    onFault({ request, requestId, route }, fault) {
      const method = request.method ?? ''
      logProblem(log, { request_id: requestId, ...traceIdsOf(request), method, route }, fault)
    },
  })
  jobs.open(gateway)
  return gateway
}
