import type { FastifyInstance, FastifyReply } from 'fastify'
import { anyModelScope, defaultScope, modelScope } from '../../../core/scope.ts'
import type { Demand } from '../../../guard/demand.ts'
import type { JobService } from '../../../jobs/job-service.ts'
import { type JobView, writeJob } from '../../../jobs/view-job.ts'
import { clientEnd } from '../../http/client-end.ts'
import { jsonMediaType } from '../../http/json-body.ts'
import { jobRouteSchemas as schemas } from './describe-job-routes.ts'
import { createJobFollowers, type JobFollowersOptions } from './job-followers.ts'
import { type JobListRequest, readJobQuery, viewJobPage } from './job-schemas.ts'

export interface JobRouteOptions extends JobFollowersOptions {
  readonly jobs: JobService
  /** See `jobDemand`. */
  readonly demand: Demand
}

export function sendJob(reply: FastifyReply, job: JobView): FastifyReply {
  return reply.header('content-type', jsonMediaType).send(writeJob(job))
}

interface OneJob {
  readonly Params: { readonly id: string }
}

/**
 * What looking after jobs demands: a scope that may have made one. It is operational: a key that
 * has used up its limits fetches what it has paid for, and cancels what holds its last place.
 *
 * @param models names of those that are served
 * @param hasModelServers whether calls of any model may have become jobs
 */
export function jobDemand(models: Iterable<string>, hasModelServers: boolean): Demand {
  const own = [defaultScope, ...[...models].map(modelScope)]
  return { anyScope: hasModelServers ? [...own, anyModelScope] : own, billable: false }
}

/** Jobs, for the owner of the key that made them. To everybody else they are not there. */
export function addJobRoutes(app: FastifyInstance, options: JobRouteOptions): void {
  const { jobs, closing } = options
  const config = { guard: options.demand }
  const followers = createJobFollowers(options)

  app.get<{ Querystring: JobListRequest }>('/jobs', { config, schema: schemas.list }, async (request) => {
    return viewJobPage(await jobs.list(request.caller.owner, readJobQuery(request.query)))
  })
  app.get<OneJob & { Querystring: { readonly wait: number } }>(
    '/jobs/:id',
    { config, schema: schemas.show },
    async ({ caller, params, query }, reply) => {
      const waitMs = query.wait * 1_000
      const wait = waitMs === 0 ? {} : { waitMs, signal: clientEnd(reply, closing) }
      return sendJob(reply, await jobs.get(caller.owner, params.id, wait))
    },
  )
  app.delete<OneJob>('/jobs/:id', { config, schema: schemas.cancel }, async ({ caller, params, id }, reply) =>
    sendJob(reply, await jobs.cancel(caller.owner, params.id, { by: caller.keyId, requestId: id })),
  )
  app.get<OneJob>(
    '/jobs/:id/events',
    // A HEAD request has nothing to follow.
    { config, schema: schemas.events, exposeHeadRoute: false },
    async (request, reply) => followers.follow(request.params.id, request, reply),
  )
}
