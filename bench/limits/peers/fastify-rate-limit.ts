import rateLimit from '@fastify/rate-limit'
import { fastify } from 'fastify'
import type { AppLimit, LimitedApp } from '../limited-app.ts'
import { askOverSocket } from './ask-over-socket.ts'

/**
 * Its plugin runs once per request, so several limits are what its README says for them:
 * `createRateLimit`.
 */
export async function openFastifyRateLimit(limits: readonly AppLimit[]): Promise<LimitedApp> {
  const app = fastify()
  const keyGenerator = (request: { readonly headers: object }): string =>
    String((request.headers as Record<string, unknown>)['x-api-key'])
  const [only, ...others] = limits.map(({ amount, windowMs }) => ({ max: amount, timeWindow: windowMs }))
  await app.register(rateLimit, {
    global: others.length === 0,
    keyGenerator,
    ...(others.length === 0 && only),
  })
  if (others.length > 0 && only !== undefined) {
    const checks = [only, ...others].map((options) => app.createRateLimit({ ...options, keyGenerator }))
    app.addHook('onRequest', async (request, reply) => {
      for (const check of checks) {
        const limit = await check(request)
        if (!limit.isAllowed && limit.isExceeded) return reply.code(429).send()
      }
      return undefined
    })
  }
  app.get('/', async () => 'in')
  await app.ready()
  return askOverSocket(app.server)
}
