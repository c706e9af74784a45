import Fastify from 'fastify'
import { openModelward } from 'modelward'
import { modelward } from 'modelward/fastify'

const ward = await openModelward({ data: process.argv[2] })
const { text } = await ward.keys.create({ name: 'alice', owner: 'acme', scopes: ['predict'] })
const app = Fastify()
await app.register(modelward, { ward })
app.post('/predict', { config: { guard: { scope: 'predict' } } }, async (request) => ({
  owner: request.caller.owner,
}))

await app.listen({ host: '127.0.0.1', port: 0 })
console.log(JSON.stringify({ port: app.server.address().port, key: text }))
