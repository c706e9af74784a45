// What a Fastify user would put together: one key for all, and a limit so high that it never
// refuses.
import bearerAuth from '@fastify/bearer-auth'
import rateLimit from '@fastify/rate-limit'
import { fastify } from 'fastify'
import { addPredictRoute } from './predict-route.ts'

const { BENCH_PORT, BENCH_KEY = '' } = process.env
const app = fastify()
await app.register(rateLimit, { max: 1_000_000_000, timeWindow: '1 minute' })
await app.register(bearerAuth, { keys: new Set([BENCH_KEY]) })
addPredictRoute(app)
await app.listen({ host: '127.0.0.1', port: Number(BENCH_PORT) })
