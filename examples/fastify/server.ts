import Fastify from 'fastify'
import { openModelward, Refusal } from 'modelward'
import { modelward } from 'modelward/fastify'

const ward = await openModelward({ data: './modelward-data', limitDefault: ['60/min'] })

const app = Fastify({ bodyLimit: 65_536 })
await app.register(modelward, { ward })
app.addHook('onClose', () => ward.close())

app.get('/health', { config: { guard: 'public' } }, async () => 'ok')
app.get('/me', async ({ caller }) => ({ key: caller.keyId, scopes: caller.scopes }))
app.post<{ Body: { readonly text?: unknown } | null | undefined }>(
  '/predict',
  { config: { guard: { scope: 'predict' } } },
  async ({ body, caller }) => {
    const text = body?.text
    if (typeof text !== 'string') throw new Refusal('input_invalid', 'Send a text.')
    return { owner: caller.owner, length: text.length }
  },
)
// A limit of the route's own, for each key, beside the one of all its requests.
app.get('/report', { config: { guard: { limits: ['1/min'] } } }, async ({ caller }) => ({
  owner: caller.owner,
}))

const { PORT = '3000' } = process.env
console.log(`listening on ${await app.listen({ host: '127.0.0.1', port: Number(PORT) })}`)
process.once('SIGTERM', () => app.close())
process.once('SIGINT', () => app.close())
