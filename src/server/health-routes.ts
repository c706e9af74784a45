import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { Fault } from '../core/fault.ts'
import type { JobService } from '../jobs/job-service.ts'
import type { ServedModel } from '../models/model.ts'
import type { Ward } from '../ward/ward.ts'

export interface HealthRouteOptions {
  readonly ward: Pick<Ward, 'ready'>
  readonly jobs: Pick<JobService, 'counts'>
  readonly models: ReadonlyMap<string, Pick<ServedModel, 'isOut'>>
  readonly isClosing: () => boolean
  /** What cannot be served just now though all else can. */
  readonly degraded: () => readonly string[]
  /** Whether nothing can be recorded, because the disk has stopped answering. */
  readonly isStalled: () => boolean
}

/** Longest wait of `/ready` for a store, in milliseconds. */
const measureMsMax = 1_000

const status = z.object({ status: z.literal('ok') })
const readiness = status.extend({
  degraded: z
    .array(z.string())
    .optional()
    .describe(
      'What cannot be served just now though all else can: `jobs`, `limits`, `keys`, `model:NAME`. Absent: nothing.',
    ),
})

/**
 * `/health`: this process answers. `/ready`: it can also decide about keys, record it and ask a
 * model, and wants requests.
 */
export function addHealthRoutes(app: FastifyInstance, options: HealthRouteOptions): void {
  const { isClosing, isStalled } = options
  const config = { guard: 'public' } as const
  const answers = { 200: { description: 'Yes.', schema: status, example: { status: 'ok' } } }
  const stores = {
    ready: oneAtATime(() => options.ward.ready()),
    counts: oneAtATime(() => options.jobs.counts()),
  }
  /** One measurement for all requests at the same time: the route is public. */
  const measure = oneAtATime(() => measureNow(options, stores))

  app.get(
    '/health',
    {
      config,
      schema: {
        operationId: 'health',
        summary: 'Whether the process answers',
        tags: ['health'],
        describes: { answers },
      },
    },
    async () => ({ status: 'ok' }),
  )
  app.get(
    '/ready',
    {
      config,
      schema: {
        operationId: 'ready',
        summary: 'Whether requests may be sent here',
        tags: ['health'],
        describes: { answers: { 200: { ...answers[200], schema: readiness } }, faults: [502, 503] },
      },
    },
    async () => {
      if (isClosing()) throw new Fault('store_unavailable', 'the server is closing')
      if (isStalled()) throw new Fault('ledger_unavailable', 'the disk does not answer')
      const degraded = await measure()
      return degraded.length === 0 ? { status: 'ok' } : { status: 'ok', degraded }
    },
  )
}

/**
 * What cannot be served just now though all else can.
 *
 * @throws Fault that requests would get, by rejecting
 */
async function measureNow(
  { models, degraded }: HealthRouteOptions,
  stores: { readonly ready: () => Promise<unknown>; readonly counts: () => Promise<unknown> },
): Promise<readonly string[]> {
  const [hasJobs] = await Promise.all([
    withinMs(stores.counts(), measureMsMax).then(
      () => true,
      () => false,
    ),
    withinMs(stores.ready(), measureMsMax),
  ])
  const out = [...models].filter(([, model]) => model.isOut?.() === true).map(([name]) => `model:${name}`)
  if (out.length === models.size && out.length > 0) throw new Fault('model_failed', 'no model answers')
  return [...new Set([...degraded(), ...(hasJobs ? [] : ['jobs']), ...out])]
}

/** While a call is open, as of a store that does not answer, all who ask share its end. */
function oneAtATime<T>(ask: () => Promise<T>): () => Promise<T> {
  let open: Promise<T> | undefined
  return () => {
    open ??= ask().finally(() => {
      open = undefined
    })
    return open
  }
}

async function withinMs<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Fault('store_unavailable', `the store said nothing for ${ms} ms`)),
      ms,
    )
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
