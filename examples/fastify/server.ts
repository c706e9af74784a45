import { Readable } from 'node:stream'
import Fastify from 'fastify'
import { openModelward, Refusal } from 'modelward'
import { modelward } from 'modelward/fastify'
import { generate, mostTokens, settling } from './chat.ts'

const ward = await openModelward({ data: './modelward-data', limitDefault: ['60/min'] })

const app = Fastify({ bodyLimit: 65_536 })
await app.register(modelward, { ward })
app.addHook('onClose', () => ward.close())

app.get('/health', { config: { guard: 'public' } }, async () => 'ok')
app.get('/me', async ({ caller }) => ({ key: caller.keyId, scopes: caller.scopes }))

interface Texts {
  Body: { readonly text?: unknown } | null | undefined
}
function textOf(body: Texts['Body']): string {
  if (typeof body?.text !== 'string') throw new Refusal('input_invalid', 'Send a text.')
  return body.text
}
const config = { guard: { scope: 'predict' } }
app.post<Texts>('/predict', { config }, async ({ body, caller }) => ({
  owner: caller.owner,
  length: textOf(body).length,
}))
// A stream: the most that it may use of the budget is taken before it, and put right after.
app.post<Texts>('/chat', { config }, async (request, reply) => {
  const text = textOf(request.body)
  const reservation = await ward.reserve(request, { tokens: mostTokens(text) })
  const pieces = settling(generate(text, request.signal), reservation)
  return reply.type('text/plain').send(Readable.from(pieces))
})
// A limit of the route's own, for each key, beside the one of all its requests.
app.get('/report', { config: { guard: { limits: ['1/min'] } } }, async ({ caller }) => ({
  owner: caller.owner,
}))

const { PORT = '3000' } = process.env
console.log(`listening on ${await app.listen({ host: '127.0.0.1', port: Number(PORT) })}`)
process.once('SIGTERM', () => app.close())
process.once('SIGINT', () => app.close())
