import { createServer } from 'node:http'
import express from 'express'
import { rateLimit } from 'express-rate-limit'
import type { AppLimit, LimitedApp } from '../limited-app.ts'
import { askOverSocket } from './ask-over-socket.ts'

export async function openExpressRateLimit(limits: readonly AppLimit[]): Promise<LimitedApp> {
  const app = express()
  const keyGenerator = (request: express.Request): string => String(request.headers['x-api-key'])
  for (const { amount, windowMs } of limits) app.use(rateLimit({ limit: amount, windowMs, keyGenerator }))
  app.get('/', (_request, response) => void response.send('in'))
  return askOverSocket(createServer(app))
}
