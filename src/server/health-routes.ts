import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { Fault } from '../core/fault.ts'
import type { Ward } from '../ward/ward.ts'

export interface HealthRouteOptions {
  readonly ward: Pick<Ward, 'refresh'>
  readonly isClosing: () => boolean
  /** What cannot be served just now though all else can. */
  readonly degraded: () => readonly string[]
  /** Whether nothing can be recorded, because the disk has stopped answering. */
  readonly isStalled: () => boolean
}

/** Longest wait of `/ready` for the store, in milliseconds. */
const pollMsMax = 1_000

const status = z.object({ status: z.literal('ok') })
const readiness = status.extend({
  degraded: z
    .array(z.string())
    .optional()
    .describe(
      'What cannot be served just now: `jobs` while the disk fills, `keys` of which a row was damaged. Absent: nothing.',
    ),
})

/** `/health`: this process answers. `/ready`: it can also decide about keys, and wants requests. */
export function addHealthRoutes(
  app: FastifyInstance,
  { ward, isClosing, degraded, isStalled }: HealthRouteOptions,
): void {
  const config = { guard: 'public' } as const
  const answers = { 200: { description: 'Yes.', schema: status, example: { status: 'ok' } } }
  let polling: Promise<void> | undefined

  /** One poll for all requests at the same time: these routes are public. */
  function poll(): Promise<void> {
    polling ??= withinMs(ward.refresh(), pollMsMax).finally(() => {
      polling = undefined
    })
    return polling
  }

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
        describes: { answers: { 200: { ...answers[200], schema: readiness } }, faults: [503] },
      },
    },
    async () => {
      if (isClosing()) throw new Fault('store_unavailable', 'the server is closing')
      if (isStalled()) throw new Fault('ledger_unavailable', 'the disk does not answer')
      await poll()
      const missing = degraded()
      return missing.length === 0 ? { status: 'ok' } : { status: 'ok', degraded: missing }
    },
  )
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
