import type { FastifyInstance } from 'fastify'
import { adminScope } from '../../../core/scope.ts'
import type { Demand } from '../../../guard/demand.ts'
import { anyOwner, type JobService } from '../../../jobs/job-service.ts'
import type { JobView } from '../../../jobs/view-job.ts'
import { adminJobRouteSchemas as schemas } from './describe-job-routes.ts'
import { type JobListRequest, readJobQuery, viewJobPage } from './job-schemas.ts'

/** Administrators by key, or by a browser's session with the CSRF header. */
const adminDemand: Demand = { scope: adminScope, session: 'csrf', billable: false }

interface OneJob {
  readonly Params: { readonly id: string }
}

/** The admin API over the jobs of all owners: how they stand, and never what was predicted. */
export function addAdminJobRoutes(app: FastifyInstance, jobs: JobService): void {
  const config = { guard: adminDemand }
  app.get<{ Querystring: JobListRequest }>('/v1/jobs', { config, schema: schemas.list }, async ({ query }) =>
    viewJobPage(await jobs.list(anyOwner, readJobQuery(query))),
  )
  app.get<OneJob>('/v1/jobs/:id', { config, schema: schemas.show }, async ({ params }) =>
    withoutResult(await jobs.get(anyOwner, params.id)),
  )
  app.delete<OneJob>('/v1/jobs/:id', { config, schema: schemas.cancel }, async ({ params, caller, id }) =>
    withoutResult(await jobs.cancel(anyOwner, params.id, { by: caller.keyId, requestId: id })),
  )
  app.post<OneJob>('/v1/jobs/:id/retry', { config, schema: schemas.retry }, async ({ params, caller, id }) =>
    withoutResult(await jobs.retry(anyOwner, params.id, { by: caller.keyId, requestId: id })),
  )
}

/** Not spread, which would read the result, and so parse it. */
function withoutResult(job: JobView): JobView {
  const members = Object.getOwnPropertyDescriptors(job)
  return Object.defineProperties({} as JobView, { ...members, result: { value: null, enumerable: true } })
}
