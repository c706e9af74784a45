import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { Fault } from '../core/fault.ts'
import type { Ward } from '../ward/ward.ts'

export interface HealthRouteOptions {
  readonly ward: Pick<Ward, 'refresh'>
  readonly isClosing: () => boolean
}

/** Longest wait of `/ready` for the store, in milliseconds. */
const pollMsMax = 1_000

const status = z.object({ status: z.literal('ok') })

/** `/health`: this process answers. `/ready`: it can also decide about keys, and wants requests. */
export function addHealthRoutes(app: FastifyInstance, { ward, isClosing }: HealthRouteOptions): void {
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
        describes: { answers, faults: [503] },
      },
    },
    async () => {
      if (isClosing()) throw new Fault('store_unavailable', 'the server is closing')
      await poll()
      return { status: 'ok' }
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
