import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { rateLimiter } from 'hono-rate-limiter'
import type { AppLimit, LimitedApp } from '../limited-app.ts'
import { askOverSocket } from './ask-over-socket.ts'

export async function openHonoRateLimiter(limits: readonly AppLimit[]): Promise<LimitedApp> {
  const app = new Hono()
  for (const { amount, windowMs } of limits)
    app.use(rateLimiter({ limit: amount, windowMs, keyGenerator: (c) => c.req.header('x-api-key') ?? '' }))
  app.get('/', (c) => c.text('in'))
  return askOverSocket(createAdaptorServer({ fetch: app.fetch }) as Server)
}
