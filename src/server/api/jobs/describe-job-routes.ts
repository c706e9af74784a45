import type { FastifySchema } from 'fastify'
import { z } from 'zod'
import type { RouteAnswer, RouteSchema } from '../../docs/route-schema.ts'
import { noBody } from '../keys/key-schemas.ts'
import {
  adminJobListQuery,
  jobListQuery,
  jobPageView,
  jobParams,
  jobView,
  ownedJobPageView,
  ownedJobView,
  waitQuery,
} from './job-schemas.ts'

/** The routes over jobs, each by what it does. */
export type JobRoute = 'list' | 'show' | 'cancel' | 'events'

const tags = ['jobs']
const params = jobParams
const shown: RouteAnswer = { description: 'The job as it stands.', schema: jobView }

/** What each route over jobs takes, checked by Fastify, and what OpenAPI says of it. */
export const jobRouteSchemas: Readonly<Record<JobRoute, FastifySchema & RouteSchema>> = {
  list: {
    operationId: 'listJobs',
    summary: 'List the jobs of the key’s owner, newest first',
    description: 'Without their results.',
    tags,
    querystring: jobListQuery,
    describes: {
      answers: { 200: { description: 'A page; `next_cursor` is null on the last.', schema: jobPageView } },
    },
  },
  show: {
    operationId: 'readJob',
    summary: 'Read a job, or wait for its end',
    description: 'Another owner’s job is not there: 404 `job_not_found`, as of one that never was.',
    tags,
    params,
    querystring: waitQuery,
    describes: { answers: { 200: shown } },
  },
  cancel: {
    operationId: 'cancelJob',
    summary: 'Cancel a job that has not ended',
    description: 'One that has ended stays as it is. Its use of limits is returned where it had not begun.',
    tags,
    params,
    body: noBody,
    describes: { bodyIsOptional: true, answers: { 200: shown } },
  },
  events: {
    operationId: 'followJob',
    summary: 'Follow a job as server-sent events',
    description:
      'Events are called `status`; the data of each is the job as it stands, its id the job’s version. The stream ends with the job. A result larger than 64 KiB is null there: `GET /jobs/{id}` gives it. With `Last-Event-ID` the stream resumes after that event; it is answered 204 where nothing more will come.',
    tags,
    params,
    describes: {
      headers: z.object({
        'Last-Event-ID': z.string().optional().describe('The id of the last event that came.'),
      }),
      answers: {
        200: { description: 'The events.', schema: z.string(), mediaType: 'text/event-stream' },
        204: { description: 'The job has ended, and its last event had come.' },
      },
    },
  },
}

/** The routes over the jobs of all owners, each by what it does. */
export type AdminJobRoute = 'list' | 'show' | 'cancel' | 'retry'

const shownToAdmin: RouteAnswer = {
  description: 'The job as it stands, without its result.',
  schema: ownedJobView,
}

/** The same of the routes over the jobs of all owners. */
export const adminJobRouteSchemas: Readonly<Record<AdminJobRoute, FastifySchema & RouteSchema>> = {
  list: {
    operationId: 'listAllJobs',
    summary: 'List the jobs of all owners, newest first',
    tags,
    querystring: adminJobListQuery,
    describes: {
      answers: {
        200: { description: 'A page; `next_cursor` is null on the last.', schema: ownedJobPageView },
      },
    },
  },
  show: {
    operationId: 'readAnyJob',
    summary: 'Read how a job of any owner stands',
    tags,
    params,
    describes: { answers: { 200: shownToAdmin } },
  },
  cancel: {
    operationId: 'cancelAnyJob',
    summary: 'Cancel a job of any owner that has not ended',
    tags,
    params,
    body: noBody,
    describes: { bodyIsOptional: true, answers: { 200: shownToAdmin } },
  },
  retry: {
    operationId: 'retryJob',
    summary: 'Have a dead or failed job tried again',
    description: 'With all its attempts; any other job stays as it is.',
    tags,
    params,
    body: noBody,
    describes: { bodyIsOptional: true, answers: { 200: shownToAdmin } },
  },
}
