import Fastify from 'fastify'
import { type Demand, openModelward, Refusal } from 'modelward'
import { modelward } from 'modelward/fastify'

const ward = await openModelward({ data: './modelward-data' })

const models = new Set(['sentiment', 'topics'])

/** Shared by the routes that need a paid plan. */
const paid: Demand = {
  check({ metadata: { plan } }) {
    if (plan !== 'paid') throw new Refusal('forbidden', 'This needs a paid plan.')
  },
}
const read: Demand = { scope: 'models:read' }
/** Also demands everything that `read` and `paid` demand. */
const write: Demand = { scope: 'models:write', needs: [read, paid] }

const app = Fastify()
await app.register(modelward, { ward })
app.addHook('onClose', () => ward.close())

app.get('/models', { config: { guard: read } }, async () => [...models])
app.post('/predict', { config: { guard: { scope: 'predict', needs: [paid] } } }, async ({ caller }) => ({
  owner: caller.owner,
}))
app.delete<{ Params: { name: string } }>(
  '/models/:name',
  { config: { guard: write } },
  async ({ params }, reply) => {
    if (!models.delete(params.name)) throw new Refusal('not_found', 'There is no such model.')
    return reply.code(204).send()
  },
)

const { PORT = '3000' } = process.env
console.log(`listening on ${await app.listen({ host: '127.0.0.1', port: Number(PORT) })}`)
process.once('SIGTERM', () => app.close())
process.once('SIGINT', () => app.close())
