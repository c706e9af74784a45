// One Fastify app, bare or behind a guard: what the adapter costs is the difference.
import bearerAuth from '@fastify/bearer-auth'
import { fastify } from 'fastify'
import { modelward } from '../../src/fastify/index.ts'
import { sameHeaders } from '../peers/same-headers.ts'
import { openWard, predict, readServed } from './served-app.ts'

const text = { type: 'string' } as const
const schema = {
  body: { type: 'object', required: ['text'], properties: { text } },
  response: { 200: { type: 'object', properties: { sentiment: text, characters: { type: 'integer' } } } },
} as const

const { port, key, guard } = readServed()
const app = fastify()
if (guard === 'headers')
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(sameHeaders)
    done()
  })
if (guard === 'empty') app.addHook('onRequest', (_request, _reply, done) => done())
if (guard === 'modelward')
  await app.register(modelward, { ward: await openWard(), default: { scope: 'predict' } })
if (guard === 'peer') await app.register(bearerAuth, { keys: new Set([key]) })
app.post<{ Body: { text: string } }>('/predict', { schema }, async (request) => predict(request.body.text))
await app.listen({ host: '127.0.0.1', port })
