// Fastify with nothing in front of the model: what any guard costs is measured against this.
import { fastify } from 'fastify'
import { addPredictRoute } from './predict-route.ts'
import { hasSameHeaders, sameHeaders } from './same-headers.ts'

const { BENCH_PORT } = process.env
const app = fastify({ logger: process.argv.includes('--log') })
// Modelward's own way of sending answers, without a guard: tells what the guard costs from what
// this gives.
if (process.argv.includes('--together')) {
  app.addHook('onSend', (_request, _reply, _payload, done) => void setImmediate(done))
}
if (hasSameHeaders)
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(sameHeaders)
    done()
  })
addPredictRoute(app)
await app.listen({ host: '127.0.0.1', port: Number(BENCH_PORT) })
